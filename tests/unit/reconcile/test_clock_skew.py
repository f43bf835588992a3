"""The clocks of two nodes differ: no state is taken for newer or older than it is."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import Stage, running

pytestmark = pytest.mark.unit

SKEWS = [timedelta(hours=-1), timedelta(seconds=-90), timedelta(hours=1)]
NAMES = ["an hour behind", "90 s behind", "an hour ahead"]


@pytest.fixture(params=SKEWS, ids=NAMES)
async def resumed(request: pytest.FixtureRequest) -> Stage:
    """A job that was resumed on a node whose clock differs from that of the node before."""
    stage = await running()
    stage.wish("Paused")
    await stage.settle()

    def elsewhere(job: FakeJob) -> None:
        job.skew = request.param
        stage.run_at_once(job)

    stage.flink.program = elsewhere
    stage.wish("Running")
    await stage.settle()
    assert (stage.status.state, stage.status.run) == ("Running", 2)
    stage.flink.program = stage.run_at_once
    return stage


@pytest.mark.failure(
    what="The clocks of nodes differ",
    shown="up to an hour: Running, recovered",
    kept="the newest checkpoint, although an earlier snapshot bears a later time",
)
async def test_a_recovery_goes_on_from_the_checkpoint_that_came_after_the_snapshot(
    resumed: Stage,
) -> None:
    newest = resumed.job.checkpoint()
    resumed.job.fail("sink is gone")

    await resumed.settle()

    assert (resumed.status.state, resumed.status.run) == ("Running", 3)
    assert resumed.job.restored_path == newest.path


@pytest.mark.failure(
    what="The clocks of nodes differ",
    shown="up to an hour: recovered",
    kept="the newest snapshot, taken after the last checkpoint",
)
async def test_a_recovery_goes_on_from_the_snapshot_that_came_after_the_last_checkpoint(
    resumed: Stage,
) -> None:
    resumed.edit(snapshotNonce="1")
    await resumed.settle()
    snapshot = resumed.status.snapshot
    assert snapshot is not None
    assert snapshot.origin == "Manual"
    resumed.job.fail("sink is gone")

    await resumed.settle()

    assert resumed.job.restored_path == snapshot.path


@pytest.mark.failure(
    what="The clocks of nodes differ",
    shown="up to an hour: `JobRestarting` for a job that keeps restarting, until it was quiet",
    kept="the job runs on",
)
async def test_a_job_that_keeps_restarting_is_told_and_later_forgotten(resumed: Stage) -> None:
    for _ in range(3):
        resumed.job.restart("source lost")
        await resumed.looks(5)
        resumed.job.run()
        await resumed.looks(5)
    assert resumed.warning == "JobRestarting"

    resumed.clock.advance(timedelta(minutes=4))
    await resumed.settle()

    assert (resumed.status.state, resumed.warning) == ("Running", None)
