"""Real replies of Flink 2.3, served by a stub, as the client reads them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from streamjob_operator.errors import FlinkRejected
from streamjob_operator.flink.models import Checkpoint, SavepointResult
from streamjob_operator.flink.rest import FlinkRest

pytestmark = pytest.mark.unit

REPLIES = Path(__file__).parent / "replies"
JOB = "ab" * 16
TRIGGER = "04" * 16
APPLICATION = "6c5e17a107e9a2d840ced783b2b35f27"


class Stub:
    """A JobManager that gives prepared replies and keeps what it was asked."""

    def __init__(self) -> None:
        self.replies: dict[str, tuple[int, str]] = {}
        self.asked: list[tuple[str, str, object]] = []
        self.address = ""

    def gives(self, asked: str, name: str, status: int = 200) -> None:
        """`asked` is method and path; `name` a file of replies, or JSON itself."""
        text = name if name.startswith("{") else (REPLIES / f"{name}.json").read_text()
        self.replies[asked] = (status, text)

    async def answer(self, request: web.Request) -> web.Response:
        body = await request.json() if request.can_read_body else None
        self.asked.append((request.method, request.path_qs, body))
        unknown = (404, (REPLIES / "no-path.json").read_text())
        status, text = self.replies.get(f"{request.method} {request.path}", unknown)
        return web.Response(status=status, text=text, content_type="application/json")


async def serve(
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]],
) -> TestServer:
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", answer)
    server = TestServer(application)
    await server.start_server()
    return server


@pytest.fixture
async def flink() -> AsyncIterator[FlinkRest]:
    client = FlinkRest(timedelta(seconds=2))
    yield client
    await client.close()


@pytest.fixture
async def stub() -> AsyncIterator[Stub]:
    stub = Stub()
    server = await serve(stub.answer)
    stub.address = str(server.make_url("")).rstrip("/")
    yield stub
    await server.close()


async def test_a_job_that_runs(flink: FlinkRest, stub: Stub) -> None:
    stub.gives("GET /jobs/overview", "overview-running")
    (job,) = await flink.jobs(stub.address)
    assert (job.job_id, job.name, job.state, job.job_type) == (
        JOB,
        "numbers",
        "RUNNING",
        "STREAMING",
    )
    assert (job.tasks_total, job.tasks_running, job.tasks_finished) == (2, 2, 0)
    assert job.all_tasks_run
    # start-time + duration - last-modification of the reply
    assert job.quiet_for == timedelta(milliseconds=1795417256480 + 13212 - 1795417257355)


@pytest.mark.parametrize(
    ("reply", "state", "runs", "over"),
    [
        ("overview-restarting", "RESTARTING", False, False),
        ("overview-finished", "FINISHED", False, True),
        ("overview-driver-failed", "FAILED", False, True),
    ],
)
async def test_jobs_that_do_not_run(
    flink: FlinkRest, stub: Stub, reply: str, state: str, *, runs: bool, over: bool
) -> None:
    stub.gives("GET /jobs/overview", reply)
    (job,) = await flink.jobs(stub.address)
    assert (job.state, job.all_tasks_run, job.is_over) == (state, runs, over)


async def test_no_job(flink: FlinkRest, stub: Stub) -> None:
    stub.gives("GET /jobs/overview", "overview-none")
    assert await flink.jobs(stub.address) == ()


async def test_checkpoints_and_a_savepoint_of_a_job_that_runs(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/checkpoints", "checkpoints-running")
    seen = await flink.checkpoints(stub.address, JOB)
    assert (seen.completed, seen.failed) == (10, 3)
    assert seen.newest == Checkpoint(
        f"file:/data/chk/{JOB}/chk-12",
        datetime(2026, 11, 23, 7, 1, 13, 373000, UTC),
        number=12,
    )
    assert seen.savepoint is not None
    assert seen.savepoint.path == "file:/data/svp/savepoint-ababab-594e1ce6b4ae"
    assert seen.savepoint.is_savepoint
    # Two savepoints failed; the job's own checkpoints did not.
    assert (seen.failures, seen.last_failure) == ((), None)


async def test_checkpoints_after_a_stop(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/checkpoints", "checkpoints-stopped")
    seen = await flink.checkpoints(stub.address, JOB)
    assert seen.newest is None, "Flink has discarded them all"
    assert seen.savepoint is not None
    assert seen.savepoint.path == "file:/data/svp/savepoint-ababab-0e20b19ce8da"


async def test_checkpoints_that_fail_again_and_again(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/checkpoints", "checkpoints-failing")
    seen = await flink.checkpoints(stub.address, JOB)
    assert (seen.completed, len(seen.failures)) == (2, 5)
    assert seen.last_failure == "Failure to finalize checkpoint."
    assert seen.newest is not None
    assert seen.newest.path.endswith("chk-2")


async def test_what_a_job_was_restored_from(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/checkpoints", "checkpoints-restored")
    seen = await flink.checkpoints(stub.address, JOB)
    assert seen.restored_path == "file:/data/svp/savepoint-ababab-e0994033a193"


async def test_a_job_that_never_had_a_checkpoint(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/checkpoints", "checkpoints-none")
    seen = await flink.checkpoints(stub.address, JOB)
    assert (seen.completed, seen.newest, seen.savepoint, seen.restored_path) == (
        0,
        None,
        None,
        None,
    )


async def test_a_checkpoint_that_lives_in_memory_alone_is_none(
    flink: FlinkRest, stub: Stub
) -> None:
    entry = (
        '{"id":1,"status":"COMPLETED","is_savepoint":false,"trigger_timestamp":1,'
        '"external_path":"<checkpoint-not-externally-addressable>","discarded":false}'
    )
    reply = f'{{"counts":{{"completed":1,"failed":0}},"latest":{{"completed":{entry}}}}}'
    stub.gives(f"GET /jobs/{JOB}/checkpoints", reply)
    assert (await flink.checkpoints(stub.address, JOB)).newest is None


async def test_the_failures_of_a_job_newest_first(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/exceptions", "exceptions-failed")
    failures = await flink.restarts(stub.address, JOB)
    assert [failure.message for failure in failures] == [
        "IllegalStateException: record 40 is bad: IOException: https://h/x said no"
    ] * 2
    assert failures[0].at == datetime(2026, 11, 23, 7, 2, 18, 81000, UTC)
    assert failures[0] == await flink.failure(stub.address, JOB)


async def test_a_cause_that_only_the_application_knows(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/exceptions", "exceptions-none")
    stub.gives("GET /applications/overview", "applications-failed")
    stub.gives(f"GET /applications/{APPLICATION}/exceptions", "applications-exceptions")
    failure = await flink.failure(stub.address, JOB)
    assert failure is not None
    assert failure.message == "DuplicateJobSubmissionException: Job has already been submitted."
    assert await flink.application_failure(stub.address) == ("FAILED", failure)


async def test_a_job_that_flink_does_not_know_has_no_failure(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"GET /jobs/{JOB}/exceptions", "no-job", 404)
    assert await flink.failure(stub.address, JOB) is None
    assert await flink.restarts(stub.address, JOB) == ()


async def test_an_application_that_runs(flink: FlinkRest, stub: Stub) -> None:
    stub.gives("GET /applications/overview", "applications-running")
    assert await flink.application_failure(stub.address) == ("RUNNING", None)


async def test_flink_before_2_3_has_no_applications(flink: FlinkRest, stub: Stub) -> None:
    assert await flink.application_failure(stub.address) == ("", None)


async def test_a_savepoint_in_all_its_states(flink: FlinkRest, stub: Stub) -> None:
    asked = f"GET /jobs/{JOB}/savepoints/{TRIGGER}"
    stub.gives(asked, "no-trigger", 404)
    assert await flink.savepoint_result(stub.address, JOB, TRIGGER) == SavepointResult(unknown=True)
    stub.gives(asked, '{"status":{"id":"IN_PROGRESS"},"operation":null}')
    assert await flink.savepoint_result(stub.address, JOB, TRIGGER) == SavepointResult()
    stub.gives(asked, "savepoint-done")
    assert await flink.savepoint_result(stub.address, JOB, TRIGGER) == SavepointResult(
        path="file:/data/svp/savepoint-ababab-594e1ce6b4ae"
    )
    stub.gives(asked, "savepoint-failed")
    failed = await flink.savepoint_result(stub.address, JOB, TRIGGER)
    assert failed.path is None
    assert failed.failure is not None
    assert failed.failure.message.startswith("IOException: Failed to create savepoint directory")


async def test_a_savepoint_of_a_job_that_failed_while_stopping(
    flink: FlinkRest, stub: Stub
) -> None:
    stub.gives(
        f"GET /jobs/{JOB}/savepoints/{TRIGGER}",
        '{"status":{"id":"COMPLETED"},"operation":{"failure-cause":{"class":"x","stack-trace":'
        '"java.util.concurrent.CompletionException: org.apache.flink.X.StopWithSavepointStopping'
        "Exception: A savepoint has been created at: file:/data/svp/savepoint-1, but the "
        'corresponding job abab failed while stopping."}}}',
    )
    seen = await flink.savepoint_result(stub.address, JOB, TRIGGER)
    assert seen.path == "file:/data/svp/savepoint-1"
    assert seen.failure is not None


async def test_savepoints_are_asked_for_in_flinks_two_spellings(
    flink: FlinkRest, stub: Stub
) -> None:
    accepted = f'{{"request-id":"{TRIGGER}"}}'
    stub.gives(f"POST /jobs/{JOB}/stop", accepted, 202)
    stub.gives(f"POST /jobs/{JOB}/savepoints", accepted, 202)
    await flink.stop_with_savepoint(
        stub.address, JOB, trigger_id=TRIGGER, target_dir="file:/d", format="Canonical"
    )
    await flink.savepoint(
        stub.address, JOB, trigger_id=TRIGGER, target_dir="file:/d", format="Native"
    )
    stop = {"triggerId": TRIGGER, "targetDirectory": "file:/d", "formatType": "CANONICAL"}
    plain = {"triggerId": TRIGGER, "target-directory": "file:/d", "formatType": "NATIVE"}
    assert [body for _, _, body in stub.asked] == [
        {**stop, "drain": False},
        {**plain, "cancel-job": False},
    ]


async def test_a_savepoint_request_that_flink_refuses(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"POST /jobs/{JOB}/savepoints", "bad-id", 400)
    with pytest.raises(FlinkRejected, match="Bad request, could not parse parameters"):
        await flink.savepoint(
            stub.address, JOB, trigger_id=TRIGGER, target_dir="file:/d", format="NATIVE"
        )


async def test_cancel_is_content_with_a_job_that_is_over(flink: FlinkRest, stub: Stub) -> None:
    stub.gives(f"PATCH /jobs/{JOB}", "{}", 202)
    await flink.cancel(stub.address, JOB)
    assert stub.asked == [("PATCH", f"/jobs/{JOB}?mode=cancel", None)]
    over = "Job cancellation failed because the job has already reached another terminal state"
    stub.gives(f"PATCH /jobs/{JOB}", f'{{"errors":["a.B.RestHandlerException: {over}."]}}', 409)
    await flink.cancel(stub.address, JOB)
    stub.gives(f"PATCH /jobs/{JOB}", '{"errors":["a.B.RestHandlerException: no such job"]}', 404)
    with pytest.raises(FlinkRejected, match="no such job"):
        await flink.cancel(stub.address, JOB)


async def test_disposal_waits_for_its_end(flink: FlinkRest, stub: Stub) -> None:
    stub.gives("POST /savepoint-disposal", f'{{"request-id":"{TRIGGER}"}}')
    done = f"GET /savepoint-disposal/{TRIGGER}"
    stub.gives(done, '{"status":{"id":"COMPLETED"},"operation":{}}')
    await flink.dispose_savepoint(stub.address, "file:/d/savepoint-1")
    stub.gives(done, "disposal-missing")
    await flink.dispose_savepoint(stub.address, "file:/d/savepoint-1")
    cause = '{"failure-cause":{"class":"x","stack-trace":"java.io.IOException: Permission denied"}}'
    stub.gives(done, f'{{"status":{{"id":"COMPLETED"}},"operation":{cause}}}')
    with pytest.raises(FlinkRejected, match=r"could not remove file:/d/savepoint-1: .*denied"):
        await flink.dispose_savepoint(stub.address, "file:/d/savepoint-1")


async def test_version_and_type(flink: FlinkRest, stub: Stub) -> None:
    stub.gives("GET /config", "config")
    stub.gives(f"GET /jobs/{JOB}", "job")
    assert await flink.version(stub.address) == "2.3.0"
    assert await flink.job_type(stub.address, JOB) == "STREAMING"
