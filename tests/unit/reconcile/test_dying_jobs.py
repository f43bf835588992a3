"""A job that is dying, or always on the way back: what a Pause makes of it."""

from __future__ import annotations

import pytest

from streamjob_operator.flink.models import Failure, SavepointResult
from tests.unit.reconcile.driver import Stage, running

pytestmark = pytest.mark.unit


async def pausing() -> Stage:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    return stage


async def test_the_cause_is_waited_for_although_flink_answers_from_a_cache() -> None:
    stage = await pausing()
    stage.job.fail("out of memory")
    cause, stage.job.failure = stage.job.failure, None
    await stage.looks(1)
    assert stage.status.state == "Operating"
    stage.job.failure = cause

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "PauseFailed")
    assert stage.status.warning is not None
    assert "out of memory" in stage.status.warning.message


async def test_a_cause_that_flink_never_gives_is_not_waited_for_without_bound() -> None:
    stage = await running()
    stage.job.fail("out of memory")
    stage.job.failure = None

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)


async def test_a_pause_of_a_job_that_is_failing_waits_for_its_end() -> None:
    stage = await pausing()
    newest = stage.job.checkpoint()
    stage.job.state = "FAILING"
    suspended = SavepointResult(failure=Failure("Checkpoint Coordinator is suspending."))
    for savepoint in stage.job.savepoints.values():
        savepoint.result = suspended
    await stage.looks(3)
    assert (stage.status.state, stage.warning) == ("Operating", None)
    stage.job.fail("out of memory")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "PauseFailed")
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == newest.path


async def test_an_edit_tries_the_pause_of_a_job_that_keeps_restarting_again() -> None:
    stage = await running(pause={"timeout": "6s"})
    stage.job.checkpoint()
    stage.job.restart("Told to fail")
    await stage.looks(5)
    stage.wish("Paused")
    await stage.until(lambda it: it.warning == "PauseFailed")
    await stage.looks(5)
    assert stage.status.operation is not None
    stage.edit(pause={"timeout": "6s", "onFailure": "UseCheckpoint"})

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Paused", None)


async def test_a_failed_pause_of_a_job_that_keeps_restarting_is_forgotten_with_the_wish() -> None:
    stage = await running(pause={"timeout": "6s"})
    stage.job.restart("Told to fail")
    await stage.looks(5)
    stage.wish("Paused")
    await stage.until(lambda it: it.warning == "PauseFailed")
    stage.wish("Running")

    await stage.looks(10)

    assert (stage.status.state, stage.warning) == ("Operating", None)


async def test_a_savepoint_that_fails_with_the_job_is_told_with_the_job() -> None:
    stage = await pausing()
    newest = stage.job.checkpoint()
    asked = stage.flink.savepoint_result

    async def fails_at_this_moment(address: str, job_id: str, trigger_id: str) -> SavepointResult:
        stage.job.state = "FAILING"
        for savepoint in stage.job.savepoints.values():
            savepoint.result = SavepointResult(failure=Failure("Coordinator is suspending."))
        return await asked(address, job_id, trigger_id)

    stage.flink.savepoint_result = fails_at_this_moment  # type: ignore[method-assign]
    await stage.looks(3)
    assert (stage.status.state, stage.warning) == ("Operating", None)
    stage.flink.savepoint_result = asked  # type: ignore[method-assign]
    stage.job.fail("out of memory")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "PauseFailed")
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == newest.path
