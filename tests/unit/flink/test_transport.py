"""What the client does when something other than a well-behaved JobManager answers."""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.rest import FlinkRest
from streamjob_operator.flink.transport import MAX_REPLY

pytestmark = pytest.mark.unit

Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Start = Callable[[Answer], Awaitable[str]]
JOB = "ab" * 16


@pytest.fixture
async def flink() -> AsyncIterator[FlinkRest]:
    client = FlinkRest(timedelta(seconds=0.5))
    yield client
    await client.close()


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    servers: list[TestServer] = []

    async def started(answer: Answer) -> str:
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        return str(server.make_url("")).rstrip("/")

    yield started
    for server in servers:
        await server.close()


def says(text: str | bytes, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
    async def answer(_: web.Request) -> web.Response:
        body = text.encode() if isinstance(text, str) else text
        return web.Response(status=status, body=body, headers=headers)

    return answer


@pytest.mark.parametrize(
    "text",
    [
        "",
        "<html>Please log in</html>",
        "[]",
        "null",
        '{"jobs":',
        '{"jobs":{}}',
        '{"jobs":[{"jid":"../../secrets"}]}',
        "[" * 100_000,
        '{"jobs":[' + "1" * 5000 + "]}",
        b"\xff\xfe",
    ],
    ids=lambda text: repr(text[:12]),
)
async def test_an_answer_of_another_shape(flink: FlinkRest, start: Start, text: str) -> None:
    address = await start(says(text))
    with pytest.raises(FlinkUnreachable, match=r"GET /jobs/overview: the answer is not Flink's"):
        await flink.jobs(address)


@pytest.mark.parametrize(
    "path",
    ["file:/a\\nb", "", "x" * 3000],
)
async def test_a_location_that_is_no_path(flink: FlinkRest, start: Start, path: str) -> None:
    reply = f'{{"status":{{"id":"COMPLETED"}},"operation":{{"location":"{path}"}}}}'
    address = await start(says(reply))
    with pytest.raises(FlinkUnreachable, match=r"operation\.location"):
        await flink.savepoint_result(address, JOB, JOB)


async def test_an_answer_that_is_too_large(flink: FlinkRest, start: Start) -> None:
    address = await start(says('{"jobs":[' + " " * MAX_REPLY + "]}"))
    with pytest.raises(FlinkUnreachable, match="over 1048576 bytes"):
        await flink.jobs(address)


async def test_an_endless_answer_is_cut_off(flink: FlinkRest, start: Start) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b" " * 65536)
        except ConnectionError:
            return response

    address = await start(answer)
    with pytest.raises(FlinkUnreachable):
        await flink.jobs(address)


async def test_compressed_answers_are_not_unpacked(flink: FlinkRest, start: Start) -> None:
    address = await start(says(gzip.compress(b'{"jobs":[]}'), headers={"Content-Encoding": "gzip"}))
    with pytest.raises(FlinkUnreachable, match="not Flink's"):
        await flink.jobs(address)


async def test_no_answer_in_time(flink: FlinkRest, start: Start) -> None:
    async def answer(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    address = await start(answer)
    began = asyncio.get_running_loop().time()
    with pytest.raises(FlinkUnreachable, match="no answer in time"):
        await flink.jobs(address)
    assert asyncio.get_running_loop().time() - began < 2


async def test_an_answer_that_drips(flink: FlinkRest, start: Start) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(50):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

    address = await start(answer)
    with pytest.raises(FlinkUnreachable, match="no answer in time"):
        await flink.jobs(address)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_redirects_are_not_followed(flink: FlinkRest, start: Start, status: int) -> None:
    visits = 0

    async def elsewhere(_: web.Request) -> web.Response:
        nonlocal visits
        visits += 1
        return web.json_response({"jobs": []})

    target = await start(elsewhere)
    address = await start(says("", status, {"Location": f"{target}/jobs/overview"}))
    with pytest.raises(FlinkUnreachable, match="a redirect"):
        await flink.jobs(address)
    assert visits == 0


async def test_nobody_listens(flink: FlinkRest) -> None:
    with pytest.raises(FlinkUnreachable, match="GET /jobs/overview: "):
        await flink.jobs("http://127.0.0.1:1")


@pytest.mark.parametrize("address", ["http://nosuch.invalid:8081", "nonsense", "file:///etc"])
async def test_an_address_that_leads_nowhere(flink: FlinkRest, address: str) -> None:
    with pytest.raises(FlinkUnreachable):
        await flink.jobs(address)


@pytest.mark.parametrize(
    ("status", "errors", "error", "text"),
    [
        (404, ["a.b.NotFoundException: Job abab not found"], FlinkRejected, "Job abab not found"),
        (400, ["a.b.RestHandlerException: Bad request"], FlinkRejected, "Bad request"),
        (409, [], FlinkRejected, "HTTP 409"),
        (
            500,
            [
                "Internal server error.",
                (
                    "<Exception on server side:\na.b.RestHandlerException: it failed\n"
                    "Caused by: java.lang.UnsupportedOperationException: not adaptive\n"
                    "End of exception on server side>"
                ),
            ],
            FlinkRejected,
            "it failed: UnsupportedOperationException: not adaptive",
        ),
        (
            500,
            ["Internal server error.", "<Exception on server side:\na.b.AskTimeoutException: 10s"],
            FlinkUnreachable,
            "10s",
        ),
        (500, None, FlinkUnreachable, "no cause given"),
        (502, None, FlinkUnreachable, "HTTP 502"),
        (
            503,
            ["Service temporarily unavailable due to an ongoing leader election. Please refresh."],
            FlinkUnreachable,
            "leader election",
        ),
    ],
)
async def test_answers_that_say_no(
    flink: FlinkRest,
    start: Start,
    status: int,
    errors: list[str] | None,
    error: type[Exception],
    text: str,
) -> None:
    body = "<html></html>" if errors is None else json.dumps({"errors": errors})
    address = await start(says(body, status))
    with pytest.raises(error, match=text):
        await flink.checkpoints(address, JOB)


async def test_a_404_of_a_proxy_is_not_flinks(flink: FlinkRest, start: Start) -> None:
    address = await start(says("404 page not found", 404))
    with pytest.raises(FlinkRejected):
        await flink.savepoint_result(address, JOB, JOB)


async def test_connections_are_kept_and_cookies_are_not(flink: FlinkRest, start: Start) -> None:
    peers: set[object] = set()
    cookies: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        cookies.append(request.headers.get("Cookie"))
        return web.json_response({"jobs": []}, headers={"Set-Cookie": "a=b"})

    address = await start(answer)
    for _ in range(5):
        assert await flink.jobs(address) == ()
    assert len(peers) == 1
    assert cookies == [None] * 5


async def test_a_connection_that_was_closed_meanwhile_is_no_failure(
    flink: FlinkRest, start: Start
) -> None:
    async def answer(request: web.Request) -> web.Response:
        assert request.transport is not None
        asyncio.get_running_loop().call_later(0.05, request.transport.close)
        return web.json_response({"jobs": []})

    address = await start(answer)
    for _ in range(3):
        assert await flink.jobs(address) == ()
        await asyncio.sleep(0.1)


async def test_one_slow_jobmanager_delays_no_other(flink: FlinkRest, start: Start) -> None:
    async def slow(_: web.Request) -> web.Response:
        await asyncio.sleep(5)
        return web.Response()

    dead, alive = await start(slow), await start(says('{"jobs":[]}'))
    stuck = [asyncio.create_task(flink.jobs(dead)) for _ in range(200)]
    await asyncio.sleep(0)
    began = asyncio.get_running_loop().time()
    assert await flink.jobs(alive) == ()
    assert asyncio.get_running_loop().time() - began < 0.4
    results = await asyncio.gather(*stuck, return_exceptions=True)
    assert all(isinstance(result, FlinkUnreachable) for result in results)


async def test_texts_are_stripped_and_bounded(flink: FlinkRest, start: Start) -> None:
    job = {
        "jid": JOB, "name": "evil\x1b[31m\u202e\n" + "x" * 999, "state": "RUNNING\x00" * 99,
        "start-time": 1, "duration": 0, "last-modification": 5,
        "tasks": {"total": 1, "running": 1, "finished": 0},
    }  # fmt: skip
    (seen,) = await flink.jobs(await start(says(json.dumps({"jobs": [job]}))))
    assert seen.name.isprintable()
    assert len(seen.name) <= 200
    assert len(seen.state) <= 40
    assert seen.quiet_for == timedelta(0), "a clock that went back is no negative time"
