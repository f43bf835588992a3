"""The wish changes while an operation is under way (contract, section 2)."""

from __future__ import annotations

import pytest

from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import NAMESPACE, Stage, paused, running
from tests.unit.reconcile.moments import MOMENTS, Moment, name_of

pytestmark = pytest.mark.unit

FINE = {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


@pytest.mark.failure(
    what="The wish is Running again while the job is being paused",
    shown="the Pause is completed first, then Running",
    kept="the snapshot: the new run starts from it",
)
async def test_running_again_while_the_pause_is_under_way() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(3)
    stage.wish("Running")
    await stage.looks(3)
    assert stage.status.operation is not None
    assert stage.status.operation.type == "Pause"

    stage.job.complete_savepoints()
    await stage.settle()

    snapshot = stage.status.snapshot
    assert snapshot is not None
    assert stage.status.state == "Running"
    assert stage.job.restored_path == snapshot.path
    assert len(stage.triggers) == 1


async def test_running_again_within_one_glance_changes_nothing() -> None:
    stage = await running()
    stage.wish("Stopped")
    stage.wish("Running")

    await stage.settle()

    assert stage.status.run == 1
    assert stage.events == ["Starting", "Started"]


@pytest.mark.failure(
    what="The wish is Paused while the job starts for the first time",
    shown="Stopped, Ready with reason `NothingToPause`, no warning",
    kept="nothing: the job never ran",
)
async def test_paused_during_a_first_start_cancels_it() -> None:
    stage = Stage()
    stage.flink.on_start[1] = FakeJob.deploy
    stage.apply()
    await stage.until(lambda it: it.status.state == "Operating" and it.flink.alive)
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Stopped"
    assert stage.condition("Ready") == ("True", "NothingToPause")
    assert stage.warning is None
    assert stage.triggers == set()


async def test_paused_during_a_start_whose_tasks_run_waits_and_pauses() -> None:
    stage = Stage()
    stage.apply()
    await stage.until(lambda it: it.flink.alive and it.job.state == "RUNNING")
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert len(stage.triggers) == 1


@pytest.mark.failure(
    what="The wish is Paused while the job resumes",
    shown="Paused and Ready, no failed operation",
    kept="the snapshot that it was to resume from",
)
async def test_paused_during_a_resume_goes_back_to_the_same_snapshot() -> None:
    stage = await paused()
    snapshot = stage.status.snapshot
    stage.flink.on_start[2] = FakeJob.deploy
    stage.wish("Running")
    await stage.until(lambda it: it.status.run == 2 and it.flink.alive)
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.status.snapshot == snapshot
    assert stage.conditions == FINE


async def test_an_edit_during_a_start_starts_anew() -> None:
    stage = Stage()
    stage.flink.on_start[1] = FakeJob.deploy
    stage.apply()
    await stage.until(lambda it: it.flink.alive)
    stage.edit(parallelism=2)

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.conditions == FINE


@pytest.mark.failure(
    what="The spec is edited again during an upgrade",
    shown="Running with the newest spec",
    kept="the snapshot: the newest run starts from it",
)
async def test_an_edit_during_an_upgrade_is_the_one_that_counts() -> None:
    stage = await running()
    stage.flink.on_start[2] = FakeJob.deploy
    stage.edit(parallelism=2)
    await stage.until(lambda it: it.status.run == 2 and it.flink.alive)
    stage.edit(parallelism=3)

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 3)
    assert stage.status.snapshot is not None
    assert stage.job.restored_path == stage.status.snapshot.path
    assert len(stage.kube.select(kinds.POD, NAMESPACE)) == 4


async def test_a_start_that_cannot_be_asked_whether_it_has_state_is_not_given_up() -> None:
    stage = Stage()
    stage.flink.on_start[1] = stage.run_at_once
    stage.flink.unreachable = True
    stage.apply()
    await stage.looks(10)
    stage.edit(parallelism=2)
    await stage.looks(10)
    assert stage.status.run == 1

    stage.flink.unreachable = False
    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.job.restored_path is not None
    assert stage.job.restored_path == stage.job_of(1).saved[-1]


async def test_a_start_that_fails_when_nobody_wants_it_any_more_is_no_failure() -> None:
    stage = Stage()
    stage.apply()
    await stage.until(lambda it: it.flink.alive and it.job.state == "RUNNING")
    stage.wish("Paused")
    stage.job.fail("Connection refused")

    await stage.settle()

    assert stage.status.state == "Stopped"
    assert stage.condition("Ready") == ("True", "NothingToPause")
    assert stage.warning is None


@pytest.mark.failure(
    what="Another operation is under way",
    shown="Stop: Stopped and Ready, no warning",
    kept="nothing: Stop discards",
)
@pytest.mark.parametrize("moment", MOMENTS, ids=name_of)
async def test_stop_overtakes_whatever_is_under_way(moment: Moment) -> None:
    stage = await moment()
    stage.wish("Stopped")

    await stage.settle()

    assert stage.status.state == "Stopped", stage.told()
    assert stage.conditions == FINE
    assert stage.warning is None
    assert stage.status.snapshot is None
    assert stage.kube.select(kinds.POD, NAMESPACE) == []
    assert stage.kube.select(kinds.CONFIG_MAP, NAMESPACE) == []


@pytest.mark.failure(
    what="Another operation is under way",
    shown="deletion: it ends, and no pod is left",
    kept="nothing: the job is deleted",
)
@pytest.mark.parametrize("moment", MOMENTS, ids=name_of)
async def test_deletion_overtakes_whatever_is_under_way(moment: Moment) -> None:
    stage = await moment()
    stage.delete()

    for _ in range(200):
        outcome = await stage.look()
        if outcome is not None and outcome.settled:
            break

    assert outcome is not None
    assert outcome.settled
    assert stage.kube.select(kinds.POD, NAMESPACE) == []


@pytest.mark.failure(
    what="Pods do not end: their node is lost",
    shown="during a Stop: Operating, `NodeLost`",
    kept="no new run starts before the pods are gone",
)
async def test_pods_that_do_not_end_are_told_and_hold_the_next_run_back() -> None:
    stage = await running()
    stage.kubelet.node_answers = False
    stage.wish("Stopped")
    await stage.looks(100)
    assert (stage.status.state, stage.warning) == ("Operating", "NodeLost")
    mark = len(stage.calls.made)
    await stage.looks(30)
    assert stage.calls.writes(mark) == []
    stage.wish("Running")
    await stage.looks(30)
    assert stage.status.run == 1

    stage.kubelet.node_answers = True
    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.warning is None
    assert stage.kubelet.violations == []


async def test_a_failed_run_is_still_told_after_its_pods_did_not_end() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail_in_program("no such class")
    stage.kubelet.node_answers = False
    stage.apply()
    await stage.looks(120)
    assert stage.status.state == "Operating"
    stage.kubelet.node_answers = True

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
