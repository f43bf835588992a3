"""The Kubernetes client where the API server puts calls off, fails, or does not answer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.aio import client as aio

from streamjob_operator.errors import Unavailable
from streamjob_operator.kube import kinds
from streamjob_operator.kube.client import AioKubeClient

pytestmark = pytest.mark.unit

EVENT = {"apiVersion": "v1", "kind": "Event", "metadata": {"namespace": "default"}}

Answers = list[web.Response | None]
Start = Callable[[Answers], Awaitable[AioKubeClient]]


def put_off(status: int = 429) -> web.Response:
    return web.json_response({"message": "too many"}, status=status, headers={"Retry-After": "0"})


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """A client of a server that gives these answers, one after the other; None: it hangs up."""
    servers: list[TestServer] = []
    clients: list[AioKubeClient] = []

    async def started(answers: Answers) -> AioKubeClient:
        async def answer(request: web.Request) -> web.Response:
            given = answers.pop(0)
            if given is None and request.transport is not None:
                request.transport.abort()
            return given or web.Response()

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", answer)
        server = TestServer(application)
        await server.start_server()
        servers.append(server)
        configuration = aio.Configuration()
        configuration.host = str(server.make_url("")).rstrip("/")
        client = AioKubeClient(aio.ApiClient(configuration), timeout_seconds=10)
        clients.append(client)
        return client

    yield started
    for client in clients:
        await client.close()
    for server in servers:
        await server.close()


@pytest.mark.parametrize("status", [429, 503])
async def test_a_call_that_is_put_off_is_made_again(start: Start, status: int) -> None:
    answers: Answers = [put_off(status), put_off(status), web.json_response({"kind": "Pod"})]
    client = await start(answers)
    assert await client.get(kinds.POD, "default", "one") == {"kind": "Pod"}
    assert answers == []


async def test_a_call_is_not_made_again_before_the_server_wants_it(start: Start) -> None:
    later = web.json_response({}, status=429, headers={"Retry-After": "1"})
    client = await start([later, web.json_response({})])
    begun = time.monotonic()
    await client.get(kinds.POD, "default", "one")
    assert time.monotonic() - begun >= 1


async def test_a_call_is_put_off_ten_times_at_most(start: Start) -> None:
    answers: Answers = [put_off() for _ in range(11)]
    client = await start(answers)
    with pytest.raises(Unavailable, match="too many"):
        await client.get(kinds.POD, "default", "one")
    assert len(answers) == 1


async def test_whoever_asks_at_their_own_pace_is_told_at_once(start: Start) -> None:
    answers: Answers = [put_off(), put_off()]
    client = (await start(answers)).without_retries()
    with pytest.raises(Unavailable):
        await client.get(kinds.LEASE, "default", "one")
    assert len(answers) == 1


@pytest.mark.parametrize("status", [500, 503])
async def test_a_failure_without_a_time_to_come_again_is_told_at_once(
    start: Start, status: int
) -> None:
    answers: Answers = [web.Response(status=status), web.Response(status=status)]
    client = await start(answers)
    with pytest.raises(Unavailable):
        await client.get(kinds.POD, "default", "one")
    assert len(answers) == 1


@pytest.mark.parametrize("bad", [None, web.Response(status=500)])
async def test_the_client_knows_for_how_long_nothing_was_answered(
    start: Start, bad: web.Response | None
) -> None:
    client = await start([bad, put_off(), web.json_response({})])
    assert client.silent_for() == 0
    with pytest.raises(Unavailable):
        # No GET: aiohttp's client itself makes that again when the server hangs up.
        await client.without_retries().create(EVENT)
    await asyncio.sleep(0.05)
    assert client.silent_for() > 0.04
    await client.get(kinds.POD, "default", "one")
    assert client.silent_for() == 0
