"""The five operations, each from the wish to its end (contract, section 2)."""

from __future__ import annotations

import pytest

from streamjob_operator.flink.models import Failure
from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import NAME, NAMESPACE, SQL, Stage, flink_job_id, paused, running

pytestmark = pytest.mark.unit

FINE = {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


@pytest.mark.parametrize("spec", [{}, {"jar": None, "sql": {"script": SQL}}], ids=["jar", "sql"])
async def test_run_starts_a_fresh_run(spec: dict[str, object]) -> None:
    stage = Stage()
    stage.apply(**spec)

    await stage.settle()

    assert stage.states == ["Operating", "Running"]
    assert stage.events == ["Starting", "Started"]
    assert stage.conditions == FINE
    assert stage.status.run == 1
    assert stage.job.restored_path is None


async def test_the_detail_page_of_a_running_job_is_filled() -> None:
    stage = await running()

    status = stage.status
    assert (status.type, status.region, status.zone) == ("JAR", "north", "north-a")
    assert status.running_cu == "1.5"
    assert status.started_from == "Fresh"
    assert status.accumulated_seconds is None
    assert status.stop_time is None
    assert status.flink is not None
    assert (status.flink.job_state, status.flink.version) == ("RUNNING", "2.3.0")
    assert status.flink.job_id == flink_job_id(stage, 1)
    assert status.observed_generation == 1
    assert len(status.conditions) == 6


async def test_a_start_is_not_done_before_ten_quiet_seconds_or_a_checkpoint() -> None:
    stage = Stage()
    stage.apply()
    await stage.until(lambda it: it.flink.alive and it.job.state == "RUNNING")

    await stage.looks(8)
    assert stage.status.state == "Operating"
    stage.job.checkpoint()
    await stage.looks(2)

    assert stage.status.state == "Running"


async def test_pause_keeps_a_snapshot_and_frees_the_pods() -> None:
    stage = await running()
    stage.wish("Paused")

    await stage.settle()

    assert stage.states[-2:] == ["Operating", "Paused"]
    assert stage.events[-3:] == ["Pausing", "SnapshotTaken", "Paused"]
    assert stage.conditions == FINE
    assert stage.condition("SnapshotAvailable") == ("True", "Pause")
    snapshot = stage.status.snapshot
    assert snapshot is not None
    assert snapshot.path in stage.flink.files
    assert stage.status.snapshots == (snapshot,)
    assert len(stage.triggers) == 1
    assert stage.kube.select(kinds.POD, NAMESPACE) == []
    assert stage.status.running_cu == "0"


async def test_a_paused_job_leaves_nothing_of_its_run_in_the_cluster() -> None:
    stage = await paused()

    assert stage.kube.select(kinds.DEPLOYMENT, NAMESPACE) == []
    assert stage.kube.select(kinds.SERVICE, NAMESPACE) == []
    assert stage.kube.select(kinds.CONFIG_MAP, NAMESPACE) == []


async def test_a_closed_run_counts_its_seconds() -> None:
    stage = await paused()

    status = stage.status
    assert status.start_time is not None
    assert status.stop_time is not None
    ran = int((status.stop_time - status.start_time).total_seconds())
    assert status.accumulated_seconds == pytest.approx(ran, abs=1)
    assert ran > 60


async def test_resume_starts_from_exactly_that_snapshot() -> None:
    stage = await paused()
    snapshot = stage.status.snapshot
    assert snapshot is not None
    stage.wish("Running")

    await stage.settle()

    assert stage.states[-2:] == ["Operating", "Running"]
    assert stage.events[-2:] == ["Resuming", "Resumed"]
    assert stage.conditions == FINE
    assert stage.job.restored_path == snapshot.path
    assert (stage.status.run, stage.status.started_from) == (2, snapshot.path)


@pytest.mark.parametrize("begin", [running, paused], ids=["running", "paused"])
async def test_stop_discards_the_state(begin: object) -> None:
    stage: Stage = await begin()  # type: ignore[operator]
    stage.wish("Stopped")

    await stage.settle()

    assert stage.states[-2:] == ["Operating", "Stopped"]
    assert stage.events[-2:] == ["Stopping", "Stopped"]
    assert stage.conditions == FINE
    assert stage.condition("SnapshotAvailable") == ("False", "NoSnapshot")
    assert stage.status.snapshot is None
    assert stage.kube.select(kinds.CONFIG_MAP, NAMESPACE) == []


async def test_stop_keeps_the_list_of_snapshots_as_history() -> None:
    stage = await paused()
    stage.wish("Stopped")

    await stage.settle()

    assert len(stage.status.snapshots) == 1


async def test_stop_asks_flink_to_cancel_first() -> None:
    stage = await running()
    stage.wish("Stopped")

    await stage.settle()

    assert len(stage.calls.of("flink", "cancel")) == 1
    assert stage.job_of(1).state == "CANCELED"


@pytest.mark.failure(
    what="Flink never ends the cancellation",
    shown="Stopped, 25 to 40 seconds after the wish",
    kept="nothing: Stop discards",
)
async def test_stop_ends_although_flink_never_cancels() -> None:
    stage = await running()
    stage.job.cancel_takes_for_ever = True
    before = stage.clock.now()
    stage.wish("Stopped")

    await stage.settle()

    assert stage.status.state == "Stopped"
    assert stage.status.stop_time is not None
    assert 25 <= (stage.status.stop_time - before).total_seconds() <= 40


async def test_run_after_stop_is_afresh() -> None:
    stage = await paused()
    stage.wish("Stopped")
    await stage.settle()
    stage.wish("Running")

    await stage.settle()

    assert stage.job.restored_path is None
    assert stage.status.run == 2
    assert stage.events[-2:] == ["Starting", "Started"]


@pytest.mark.parametrize(("wish", "reason"), [("Stopped", "Stopped"), ("Paused", "NothingToPause")])
async def test_a_resource_that_is_not_to_run_starts_nothing(wish: str, reason: str) -> None:
    stage = Stage()
    stage.apply(desiredState=wish)

    await stage.settle()

    assert stage.states == ["Stopped"]
    assert stage.events == []
    assert stage.conditions == FINE
    assert stage.condition("Ready") == ("True", reason)
    assert stage.warning is None
    assert stage.kube.select(kinds.DEPLOYMENT, NAMESPACE) == []


async def test_born_paused_with_a_snapshot_is_paused() -> None:
    stage = Stage()
    stage.flink.files.add("file:///elsewhere/savepoint-1")
    stage.apply(desiredState="Paused", restore={"snapshot": "file:///elsewhere/savepoint-1"})
    await stage.settle()
    assert stage.status.state == "Paused"

    stage.wish("Running")
    await stage.settle()

    assert stage.job.restored_path == "file:///elsewhere/savepoint-1"
    assert stage.events == ["Resuming", "Resumed"]


async def test_a_start_from_stopped_reads_restore_and_ignores_the_start_position() -> None:
    stage = Stage()
    stage.flink.files.add("file:///elsewhere/savepoint-1")
    stage.apply(
        jar=None,
        sql={"script": SQL},
        startFrom={"position": "Earliest"},
        restore={"snapshot": "file:///elsewhere/savepoint-1"},
    )

    await stage.settle()

    assert stage.job.restored_path == "file:///elsewhere/savepoint-1"
    assert stage.events == ["StartFromIgnored", "Starting", "Started"]


async def test_a_resume_reads_restore_only_after_it_changed() -> None:
    stage = await paused()
    older = stage.status.snapshot
    assert older is not None
    stage.wish("Running")
    await stage.settle()
    stage.wish("Paused")
    await stage.settle()

    stage.edit(desiredState="Running", restore={"snapshot": older.id})
    await stage.settle()
    assert stage.job.restored_path == older.path

    stage.wish("Paused")
    await stage.settle()
    newest = stage.status.snapshot
    assert newest is not None
    stage.wish("Running")
    await stage.settle()
    assert stage.job.restored_path == newest.path != older.path


async def test_pods_of_two_runs_never_meet() -> None:
    stage = await paused()
    for wish in ("Running", "Paused", "Running", "Stopped", "Running"):
        stage.wish(wish)
        await stage.settle()

    assert stage.kubelet.violations == []
    assert stage.status.run == 4


async def test_a_deleted_resource_is_settled_only_when_nothing_is_left() -> None:
    stage = await running()
    stage.delete()

    await _settled(stage)

    left = {kind for kind, *_ in stage.kube.objects}
    assert left == {
        "Node",
        "StreamJob",
        "ServiceAccount",
        "Role",
        "RoleBinding",
        "NetworkPolicy",
    }


@pytest.mark.parametrize("wish", ["Paused", "Stopped"])
async def test_a_resource_that_never_ran_is_deleted_in_one_pass(wish: str) -> None:
    stage = Stage()
    stage.apply(desiredState=wish)
    stage.delete()

    outcome = await stage.look()

    assert outcome is not None
    assert outcome.settled


async def test_a_resource_that_is_gone_is_no_error() -> None:
    stage = await paused()
    stage.kube.vanish(kinds.STREAM_JOB, NAMESPACE, NAME)

    assert await stage.look() is None


async def test_a_deletion_may_take_one_last_snapshot() -> None:
    stage = await running(deletion={"snapshot": True})
    stage.delete()

    await _settled(stage)

    (snapshot,) = stage.status.snapshots
    assert snapshot.origin == "Deletion"
    assert snapshot.path in stage.flink.files
    assert len(stage.triggers) == 1


@pytest.mark.failure(
    what="The last snapshot of a deletion fails or takes too long",
    shown="the deletion ends within two minutes",
    kept="nothing: the job is deleted",
)
@pytest.mark.parametrize("how", ["fails", "takes-for-ever"])
async def test_a_last_snapshot_never_holds_the_deletion_up_for_long(how: str) -> None:
    stage = await running(deletion={"snapshot": True})
    if how == "fails":
        stage.job.savepoints_fail = Failure("disk is full")
    else:
        stage.job.savepoints_wait = True
    before = stage.clock.now()
    stage.delete()

    await _settled(stage)

    assert (stage.clock.now() - before).total_seconds() < 120


async def _settled(stage: Stage) -> None:
    outcome = await stage.look()
    for _ in range(300):
        if outcome is not None and outcome.settled:
            return
        outcome = await stage.look()
    raise AssertionError(stage.told())
