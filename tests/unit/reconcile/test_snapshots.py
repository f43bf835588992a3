"""Snapshots of a job that runs on: on demand and periodic (contract, section 2)."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamjob_operator.flink.models import Failure
from tests.unit.reconcile.driver import paused, running

pytestmark = pytest.mark.unit


async def test_a_snapshot_on_demand_lets_the_job_run_on() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.edit(snapshotNonce="1")
    await stage.looks(3)
    during = stage.status
    assert during.state == "Running"
    assert during.operation is not None
    assert during.operation.type == "Snapshot"
    assert stage.condition("Ready") == ("True", "Running")

    stage.job.complete_savepoints()
    await stage.settle()

    snapshot = stage.status.snapshot
    assert snapshot is not None
    assert snapshot.origin == "Manual"
    assert (stage.status.run, stage.job.state) == (1, "RUNNING")
    assert stage.events[-2:] == ["TakingSnapshot", "SnapshotTaken"]
    assert len(stage.triggers) == 1


async def test_while_a_snapshot_is_taken_the_state_is_what_the_job_does() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.edit(snapshotNonce="1")
    await stage.looks(2)
    stage.flink.unreachable = True
    await stage.looks(2)
    assert stage.status.state == "Unknown"
    stage.flink.unreachable = False
    stage.job.restart("source lost")
    await stage.looks(2)
    assert stage.status.state == "Operating"

    stage.job.run()
    stage.job.complete_savepoints()
    await stage.settle()

    assert stage.status.state == "Running"
    assert len(stage.triggers) == 1


async def test_a_slow_snapshot_leaves_no_warning_when_it_is_done() -> None:
    stage = await running(pause={"timeout": "30s"})
    stage.job.savepoints_wait = True
    stage.edit(snapshotNonce="1")
    await stage.looks(60)
    stage.job.complete_savepoints()

    await stage.settle()

    assert stage.warning is None


@pytest.mark.failure(
    what="A snapshot on demand fails",
    shown="Running, `SnapshotFailed` after three attempts",
    kept="the job runs on",
)
async def test_a_snapshot_that_fails_is_tried_again_and_then_given_up() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.edit(snapshotNonce="1")

    await stage.settle()

    assert len(stage.triggers) == 3
    assert stage.status.state == "Running"
    assert stage.warning == "SnapshotFailed"
    assert stage.condition("LastOperationSucceeded") == ("False", "SnapshotFailed")


@pytest.mark.failure(
    what="A snapshot on demand fails",
    shown="because nothing runs: Paused, `SnapshotFailed`",
    kept="the job stays paused",
)
async def test_a_snapshot_while_nothing_runs_is_a_warning() -> None:
    stage = await paused()
    stage.edit(snapshotNonce="1")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.warning == "SnapshotFailed"


async def test_periodic_snapshots_are_taken_and_old_ones_disposed_of() -> None:
    stage = await running(snapshots={"every": "10m", "retain": 2})

    await stage.looks(2400)

    assert [snapshot.origin for snapshot in stage.status.snapshots] == ["Periodic", "Periodic"]
    assert len(stage.triggers) >= 3
    assert len(stage.flink.disposed) == len(stage.triggers) - 2
    assert {snapshot.path for snapshot in stage.status.snapshots} <= stage.flink.files


async def test_ten_snapshots_on_demand_are_kept_and_older_ones_disposed_of() -> None:
    stage = await running()
    for number in range(14):
        stage.edit(snapshotNonce=str(number))
        await stage.settle()
        await stage.looks(65)

    kept = {path for path in stage.flink.files if "savepoint" in path}
    assert kept == {snapshot.path for snapshot in stage.status.snapshots}
    assert len(kept) == 10
    assert len(stage.flink.disposed) == 4


async def test_a_snapshot_of_a_batch_job_is_refused_once() -> None:
    stage = await running()
    stage.job.job_type = "BATCH"
    stage.edit(snapshotNonce="1")

    await stage.looks(120)

    assert stage.events.count("SnapshotUnsupported") == 1
    assert stage.warning == "SnapshotUnsupported"
    assert stage.status.state == "Running"


async def test_a_snapshot_seen_late_is_not_taken_for_newer_than_later_checkpoints() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.edit(snapshotNonce="1")
    await stage.looks(2)
    stage.job.complete_savepoints()
    for _ in range(4):
        stage.clock.advance(timedelta(minutes=1))
        newest = stage.job.checkpoint()
    stage.clock.advance(timedelta(seconds=5))
    await stage.until(lambda it: it.status.operation is None)
    stage.job.fail("sink is gone")

    await stage.settle()

    assert stage.job.restored_path == newest.path


async def test_a_snapshot_whose_request_flink_has_forgotten_is_adopted() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.edit(snapshotNonce="1")
    await stage.looks(2)
    asked = len(stage.job.asked)
    stage.job.complete_savepoints()
    (savepoint,) = stage.job.savepoints.values()
    stage.clock.advance(timedelta(minutes=6))

    await stage.settle()

    assert len(stage.job.asked) == asked
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == savepoint.path
