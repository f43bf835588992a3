"""Pods and JobManagers go away while a pause is under way."""

from __future__ import annotations

import pytest

from streamjob_operator.api.run import jobmanager_name, taskmanager_name
from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import NAME, NAMESPACE, running

pytestmark = pytest.mark.unit


@pytest.mark.failure(
    what="A Deployment is removed meanwhile",
    shown="the TaskManagers', after the snapshot: Paused",
    kept="that snapshot, with origin Pause",
)
async def test_a_complete_snapshot_counts_although_the_taskmanagers_were_removed() -> None:
    stage = await running()
    stage.job.checkpoint()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.job.complete_savepoints()
    stage.kube.remove(kinds.DEPLOYMENT, NAMESPACE, taskmanager_name(NAME, 1))
    stage.memory.children = None

    await stage.settle()

    assert stage.status.state == "Paused"
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.origin == "Pause"


@pytest.mark.failure(
    what="A Deployment is removed meanwhile",
    shown="the JobManager's: it is put back; Paused without a warning in the same run",
    kept="the snapshot",
)
async def test_a_jobmanager_that_was_removed_during_a_pause_is_put_back() -> None:
    stage = await running(pause={"timeout": "5m"})
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.kube.remove(kinds.DEPLOYMENT, NAMESPACE, jobmanager_name(NAME, 1))
    await stage.looks(20)
    assert stage.kube.read(kinds.DEPLOYMENT, NAMESPACE, jobmanager_name(NAME, 1)) is not None
    stage.job.complete_savepoints()

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Paused", 1, None)


@pytest.mark.failure(
    what="Pods do not end: their node is lost",
    shown="during a Pause with `UseCheckpoint`: Operating, `NodeLost`; Paused without a warning "
    "when the node is back",
    kept="the newest checkpoint, as `snapshot`",
)
async def test_a_node_that_is_lost_while_a_checkpoint_stands_in_is_told() -> None:
    stage = await running(pause={"timeout": "30s", "onFailure": "UseCheckpoint"})
    newest = stage.job.checkpoints[-1]
    stage.kubelet.node_answers = False
    stage.job.restart("source lost")
    stage.wish("Paused")
    await stage.looks(180)
    assert (stage.status.state, stage.warning) == ("Operating", "NodeLost")
    stage.kubelet.node_answers = True

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Paused", None)
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == newest.path


@pytest.mark.failure(
    what="The JobManager is replaced meanwhile",
    shown="Operating, then Paused",
    kept="one snapshot",
)
async def test_a_jobmanager_replaced_during_the_pause_takes_one_snapshot_in_the_end() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.job.replace_jobmanager()
    stage.job.savepoints_wait = False
    await stage.looks(5)
    assert stage.status.state == "Operating"
    stage.job.run()

    await stage.settle()

    assert stage.status.state == "Paused"
    assert len(stage.triggers) == 1


@pytest.mark.failure(
    what="Flink can't be asked meanwhile",
    shown="Operating, then Paused",
    kept="one snapshot: no second one is asked for",
)
async def test_flink_that_cannot_be_asked_during_a_pause_is_waited_for() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.flink.unreachable = True
    stage.job.complete_savepoints()
    await stage.looks(60)
    assert stage.status.state == "Operating"

    stage.flink.unreachable = False
    await stage.settle()

    assert stage.status.state == "Paused"
    assert len(stage.triggers) == 1
