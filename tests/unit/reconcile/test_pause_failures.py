"""Pauses that go wrong: the table of the contract, section 3."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamjob_operator.errors import FlinkUnreachable
from streamjob_operator.flink.models import Failure, SavepointResult
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import running

pytestmark = pytest.mark.unit


@pytest.mark.failure(
    what="The snapshot fails, the job runs on",
    shown="Running, `PauseFailed` with Flink's cause and the number of attempts; it is tried again",
    kept="the job runs on",
)
async def test_the_snapshot_failed_and_the_job_runs_on() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")

    await stage.until(lambda it: it.warning)

    assert (stage.status.state, stage.warning) == ("Running", "PauseFailed")
    assert stage.status.warning is not None
    assert "disk is full" in stage.status.warning.message
    assert stage.status.warning.attempts == 1
    assert stage.conditions == {"Ready": False, "Stalled": False, "LastOperationSucceeded": False}
    assert stage.condition("Reconciling")[0] == "True"
    assert stage.job.state == "RUNNING"


@pytest.mark.failure(
    what="The snapshot fails, the job runs on",
    shown="after the third attempt: Running, `PauseFailed`, Stalled",
    kept="the job runs on",
)
async def test_a_failed_pause_is_tried_again_with_growing_distance_then_given_up() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")

    await stage.settle()

    begun = [
        status.operation.started_at
        for status in stage.history
        if status.operation is not None and status.operation.type == "Pause"
    ]
    distances = [
        (later - earlier).total_seconds()
        for earlier, later in zip(sorted(set(begun)), sorted(set(begun))[1:], strict=False)
    ]
    assert len(stage.triggers) == 3
    assert distances == [pytest.approx(10, abs=6), pytest.approx(20, abs=6)]
    assert (stage.status.state, stage.warning) == ("Running", "PauseFailed")
    assert stage.status.warning is not None
    assert stage.status.warning.attempts == 3
    assert stage.conditions == {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}
    assert stage.events.count("PauseFailed") == 3


async def test_the_operator_looks_again_when_the_next_attempt_is_due() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")
    await stage.until(lambda it: it.warning)

    outcome = await stage.look()

    assert outcome is not None
    assert outcome.look_again <= timedelta(seconds=10)


async def test_the_warning_stays_while_the_next_attempt_is_under_way() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")
    await stage.until(lambda it: it.warning)
    stage.job.savepoints_fail = None
    stage.job.savepoints_wait = True

    await stage.until(lambda it: len(it.triggers) == 2 and it.status.operation)
    assert stage.warning == "PauseFailed"
    stage.job.complete_savepoints()
    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.status.warning is None


@pytest.mark.parametrize("wish", ["Running", "Stopped"])
async def test_a_failed_pause_is_forgotten_when_the_wish_changes(wish: str) -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")
    await stage.settle()
    stage.wish(wish)

    await stage.settle()

    assert (stage.status.state, stage.warning) == (wish, None)
    assert stage.conditions == {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


@pytest.mark.failure(
    what="The snapshot takes longer than `pause.timeout`",
    shown="Operating, `PauseSlow`; Paused without a warning once it is done",
    kept="the one snapshot: no second one is asked for",
)
async def test_a_slow_snapshot_is_told_and_not_asked_for_twice() -> None:
    stage = await running(pause={"timeout": "60s"})
    stage.job.savepoints_wait = True
    stage.wish("Paused")

    await stage.looks(120)

    assert (stage.status.state, stage.warning) == ("Operating", "PauseSlow")
    assert stage.condition("LastOperationSucceeded")[0] == "True"
    assert len(stage.job.asked) == 1
    stage.job.complete_savepoints()
    await stage.settle()
    assert (stage.status.state, stage.warning) == ("Paused", None)


@pytest.mark.failure(
    what="The job dies before its snapshot is complete",
    shown="Stopped, `PauseFailed`, Stalled",
    kept="the newest checkpoint, as `snapshot` with origin Checkpoint",
)
async def test_a_job_that_dies_during_the_pause_keeps_its_newest_checkpoint() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    newest = stage.job.checkpoint()
    stage.job.fail("out of memory")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "PauseFailed")
    assert stage.status.snapshot is not None
    assert (stage.status.snapshot.path, stage.status.snapshot.origin) == (newest.path, "Checkpoint")
    assert stage.conditions == {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}


@pytest.mark.failure(
    what="The job dies before its snapshot is complete",
    shown="Running without a warning, once the wish is Running again",
    kept="that checkpoint: the new run starts from it",
)
async def test_running_again_after_that_goes_on_from_the_checkpoint() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    newest = stage.job.checkpoint()
    stage.job.fail("out of memory")
    await stage.settle()
    stage.wish("Running")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", None)
    assert stage.job.restored_path == newest.path


@pytest.mark.failure(
    what="The job fails while stopping, its snapshot is complete",
    shown="Paused, no warning",
    kept="that snapshot, with origin Pause",
)
async def test_a_job_that_fails_after_its_snapshot_is_complete_is_paused() -> None:
    stage = await running()
    stage.job.dies_with_savepoint = Failure("sink failed while stopping")
    stage.wish("Paused")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Paused", None)
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.origin == "Pause"


@pytest.mark.failure(
    what="The request times out, Flink completes the snapshot later",
    shown="Paused",
    kept="the late snapshot: no second one is asked for",
)
async def test_a_request_that_timed_out_here_is_adopted_when_flink_completes_it() -> None:
    stage = await running()
    lost = FlinkUnreachable("no answer within 5 s")
    stage.calls.fail("flink", "stop_with_savepoint", lost, answer_lost=True)
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert len(stage.triggers) == 1
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path in stage.flink.files


@pytest.mark.failure(
    what="The request does not reach Flink",
    shown="Paused, once the request gets through",
    kept="one snapshot: the request is repeated under the same id",
)
async def test_a_request_that_never_reached_flink_is_sent_again_under_the_same_id() -> None:
    stage = await running()
    lost = FlinkUnreachable("no answer within 5 s")
    stage.calls.fail("flink", "stop_with_savepoint", lost, times=3)
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert len(stage.calls.of("flink", "stop_with_savepoint")) == 4
    assert len(stage.triggers) == 1


@pytest.mark.failure(
    what="The job keeps restarting while it is to be paused",
    shown="Operating or Running, `PauseFailed` after `pause.timeout`",
    kept="the same run: it is never taken down",
)
async def test_a_job_that_keeps_restarting_is_never_taken_down_for_a_pause() -> None:
    stage = await running(pause={"timeout": "60s"})
    stage.job.restart("source lost")
    stage.wish("Paused")

    await stage.until(lambda it: it.warning == "PauseFailed", passes=200)
    await stage.looks(60)

    assert stage.status.state in {"Operating", "Running"}
    assert stage.warning == "PauseFailed"
    assert stage.status.run == 1
    assert stage.job.asked == []


@pytest.mark.failure(
    what="The job keeps restarting while it is to be paused",
    shown="with `pause.onFailure: UseCheckpoint`: Paused, event `UsingCheckpoint`",
    kept="the newest checkpoint, as `snapshot` with origin Checkpoint",
)
async def test_use_checkpoint_pauses_a_job_that_keeps_restarting() -> None:
    stage = await running(pause={"timeout": "60s", "onFailure": "UseCheckpoint"})
    newest = stage.job.checkpoints[-1]
    stage.job.restart("source lost")
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.status.snapshot is not None
    assert (stage.status.snapshot.path, stage.status.snapshot.origin) == (newest.path, "Checkpoint")
    assert "UsingCheckpoint" in stage.events


@pytest.mark.failure(
    what="A batch job is to be paused",
    shown="Running, `PauseUnsupported`, Stalled",
    kept="the job runs on",
)
async def test_a_batch_job_cannot_be_paused() -> None:
    stage = await running()
    stage.job.job_type = "BATCH"
    stage.wish("Paused")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", "PauseUnsupported")
    assert stage.job.asked == [] or stage.job.state == "RUNNING"
    assert stage.conditions["Stalled"]


@pytest.mark.failure(
    what="A bounded job finishes meanwhile",
    shown="Stopped, Ready with reason `JobFinished`, no warning",
    kept="nothing to go on from: the job is done",
)
async def test_a_bounded_job_that_finishes_during_the_pause_is_finished() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.job.finish()

    await stage.settle()

    assert stage.status.state == "Stopped"
    assert stage.condition("Ready") == ("True", "JobFinished")
    assert stage.warning is None


@pytest.mark.failure(
    what="The job is cancelled from outside meanwhile",
    shown="Stopped, `JobCancelled`",
    kept="nothing: whoever cancels removes the checkpoints",
)
async def test_a_job_cancelled_from_outside_during_the_pause_is_told() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.job.cancel()

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "JobCancelled")


async def test_a_pause_that_fails_after_the_wish_is_running_again_is_forgotten() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(3)
    stage.wish("Running")
    await stage.looks(3)
    for savepoint in stage.job.savepoints.values():
        savepoint.result = SavepointResult(failure=Failure("disk is full"))

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)
    assert stage.conditions == {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


async def test_a_pause_that_only_waits_for_tasks_is_dropped_when_the_wish_is_running_again() -> (
    None
):
    stage = await running(pause={"timeout": "10m"})
    stage.job.restart("source lost")
    await stage.looks(5)
    stage.wish("Paused")
    await stage.looks(5)
    assert stage.status.operation is not None
    assert stage.status.operation.type == "Pause"
    stage.wish("Running")

    await stage.look()

    assert stage.status.operation is None or stage.status.operation.type == "Recover"
    stage.job.run()
    await stage.settle()
    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)
    assert stage.triggers == set()


async def test_a_pause_of_a_restarting_job_never_shows_it_as_running() -> None:
    stage = await running(pause={"timeout": "30s"})
    stage.job.restart("source lost")
    await stage.looks(5)
    stage.history.clear()
    stage.wish("Paused")

    await stage.looks(120)

    assert "Running" not in stage.states
    assert stage.warning == "PauseFailed"


async def test_a_pause_that_failed_is_forgotten_once_the_job_is_paused_all_the_same() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.flink.on_start[2] = FakeJob.deploy
    stage.wish("Paused")
    await stage.until(lambda it: it.warning)
    stage.job.fail("sink is gone")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.warning is None
    assert stage.conditions == {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}
