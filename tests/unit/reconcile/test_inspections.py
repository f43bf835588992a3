"""No JobManager can tell a job's newest state any more: a pod looks for it in the job's storage."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest

from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.fakes.kubelet import Fate
from tests.unit.reconcile.driver import NAMESPACE, Stage, paused, running

pytestmark = pytest.mark.unit

OUT_OF_MEMORY: Final = Fate(exit_code=137, message="", reason="OOMKilled", ends=5)
NO_STORAGE: Final = Fate(exit_code=1, message='{"problem": "Connection refused: minio:9000"}')
GIVEN_UP: Final = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}
GRACE_SECONDS: Final = 121


async def keeps_ending(stage: Stage, fate: Fate = OUT_OF_MEMORY) -> None:
    """The JobManager's container ends again and again, until that is called a failure."""
    stage.kubelet.fates["jobmanager"] = fate
    await stage.looks(GRACE_SECONDS)


async def pausing_while_the_jobmanager_is_replaced(*, completes: bool) -> Stage:
    """The savepoint was asked for; its outcome is known to nobody."""
    stage = await running()
    stage.job.checkpoint()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    if completes:
        stage.job.complete_savepoints()
    else:
        stage.job.fail("sink is gone")
    stage.job.replace_jobmanager()
    return stage


def inspectors(stage: Stage) -> list[str]:
    found = stage.kube.select(kinds.POD, NAMESPACE, "app.kubernetes.io/component=inspector")
    return [pod["metadata"]["name"] for pod in found]


@pytest.mark.failure(
    what="The JobManager's container ends again and again",
    shown="Unknown for 2 minutes; then Operating, `JobFailed` with what the container ended by; "
    "Running without a warning",
    kept="the newest checkpoint that lies in the storage: a new run starts from it",
)
async def test_a_job_whose_jobmanager_keeps_ending_goes_on_from_its_newest_checkpoint() -> None:
    stage = await running()
    newest = stage.job.checkpoint()

    await keeps_ending(stage)
    await stage.until(lambda it: it.warning == "JobFailed")
    assert "OOMKilled" in (stage.status.warning.message if stage.status.warning else "")
    stage.kubelet.fates.clear()
    await stage.settle()

    assert stage.states[-4:] == ["Running", "Unknown", "Operating", "Running"]
    assert (stage.status.run, stage.warning) == (2, None)
    assert stage.job.restored_path == newest.path
    assert inspectors(stage) == []


async def test_a_jobmanager_that_comes_back_in_time_is_no_failure() -> None:
    stage = await running()
    stage.kubelet.fates["jobmanager"] = OUT_OF_MEMORY
    await stage.looks(100)
    stage.kubelet.fates.clear()

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)


async def test_a_jobmanager_that_runs_and_does_not_answer_is_left_alone() -> None:
    stage = await running()
    stage.flink.unreachable = True

    await stage.looks(900)

    assert (stage.status.state, stage.status.run) == ("Unknown", 1)
    assert stage.warning == "JobManagerUnavailable"


async def test_an_edit_mends_a_jobmanager_that_is_out_of_memory() -> None:
    stage = await running()
    stage.kubelet.fates["jobmanager"] = OUT_OF_MEMORY
    stage.edit(resources={"jobManager": {"cu": "2"}})
    await stage.looks(GRACE_SECONDS)
    stage.kubelet.fates.clear()

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    record = stage.kube.select(kinds.CONFIG_MAP, NAMESPACE, "streamjob.dev/run=2")
    assert '"cu": "2"' in str(record).replace('\\"', '"') or '"2"' in str(record)


@pytest.mark.failure(
    what="The JobManager's container ends again and again",
    shown="Stopped, `JobFailed`, Stalled, when every recovery has ended in the same way",
    kept="the newest checkpoint, as `snapshot`",
)
async def test_recoveries_of_such_a_job_are_bounded() -> None:
    stage = await running(recovery={"maxAttempts": 2})
    newest = stage.job.checkpoint()

    await keeps_ending(stage)
    await stage.settle(passes=3000)

    assert (stage.status.state, stage.warning) == ("Stopped", "JobFailed")
    assert stage.conditions == GIVEN_UP
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == newest.path


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="its JobManager was replaced too: Operating while a pod looks into the storage, then "
    "Running, a new run",
    kept="the newest checkpoint that lies in the storage",
)
@pytest.mark.parametrize("lists_result", [True, False], ids=["result-only", "not-named"])
async def test_a_failed_job_whose_jobmanager_was_replaced_goes_on_from_its_newest_checkpoint(
    *, lists_result: bool
) -> None:
    stage = await running()
    stage.edit(snapshotNonce="1")
    await stage.settle()
    newest = stage.job.checkpoint()
    stage.job.fail("sink is gone")
    stage.job.replace_jobmanager(lists_result=lists_result)

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path == newest.path


@pytest.mark.failure(
    what="Nobody knows whether the snapshot was completed",
    shown="Paused, once a pod has found the snapshot in its directory",
    kept="that snapshot; no second one is taken",
)
async def test_a_snapshot_that_nobody_can_name_is_found_in_its_directory() -> None:
    stage = await pausing_while_the_jobmanager_is_replaced(completes=True)
    (savepoint,) = stage.job.savepoints.values() or [None]
    path = stage.job.saved[-1]

    await stage.settle()

    assert savepoint is None
    assert (stage.status.state, stage.warning) == ("Paused", None)
    assert stage.status.snapshot is not None
    assert (stage.status.snapshot.path, stage.status.snapshot.origin) == (path, "Pause")
    assert stage.events[-1] == "Paused"
    assert "PauseFailed" not in stage.events


@pytest.mark.failure(
    what="The job dies before its snapshot is complete",
    shown="Stopped, `PauseFailed`, Stalled",
    kept="the newest completed checkpoint, as `snapshot` with origin Checkpoint",
)
async def test_a_pause_that_left_no_snapshot_keeps_the_newest_checkpoint() -> None:
    stage = await pausing_while_the_jobmanager_is_replaced(completes=False)

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "PauseFailed")
    assert stage.conditions == GIVEN_UP
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.origin == "Checkpoint"
    assert stage.status.snapshot.path == stage.job.checkpoints[-1].path


async def test_a_pause_whose_jobmanager_keeps_ending_comes_to_an_end() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)

    await keeps_ending(stage)
    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "PauseFailed")
    assert stage.status.snapshot is not None


async def test_an_upgrade_goes_on_with_the_new_spec_from_the_snapshot_that_is_found() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.edit(parallelism=2)
    await stage.looks(2)
    stage.job.complete_savepoints()
    path = stage.job.saved[-1]
    stage.job.replace_jobmanager()

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path == path
    assert "Upgraded" in stage.events


def _one_task_with_a_checkpoint(job: FakeJob) -> None:
    job.deploy(running=1)
    job.checkpoint()


@pytest.mark.failure(
    what="A start fails after a checkpoint of its own",
    shown="Paused, `RunFailed`; then Running without a warning once it can start",
    kept="that checkpoint: the next run starts from it",
)
async def test_a_start_that_was_lost_after_a_checkpoint_goes_on_from_it() -> None:
    stage = Stage()
    stage.flink.on_start[1] = _one_task_with_a_checkpoint
    stage.flink.program = stage.run_at_once
    stage.apply()
    await stage.until(lambda it: it.status.flink and it.status.flink.job_state == "RUNNING")
    stage.kubelet.fates["jobmanager"] = Fate(exit_code=1, message="killed", ends=3)
    await stage.until(lambda it: it.status.state == "Paused")
    assert stage.warning == "RunFailed"
    stage.kubelet.fates.clear()

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path == stage.job_of(1).checkpoints[-1].path


async def test_a_start_that_was_lost_before_any_checkpoint_has_failed_as_others_do() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.deploy(running=1)
    stage.apply()
    await stage.until(lambda it: it.status.flink and it.status.flink.job_state == "RUNNING")
    stage.kubelet.fates["jobmanager"] = OUT_OF_MEMORY

    await stage.until(lambda it: it.status.state == "Stopped")

    assert stage.warning == "RunFailed"
    assert stage.status.snapshot is None


async def test_a_resume_that_was_lost_before_any_checkpoint_keeps_its_snapshot() -> None:
    stage = await paused()
    kept = stage.status.snapshot
    stage.flink.on_start[2] = lambda job: job.deploy(running=1)
    stage.wish("Running")
    await stage.until(lambda it: it.status.run == 2 and it.status.flink.job_state == "RUNNING")
    stage.kubelet.fates["jobmanager"] = OUT_OF_MEMORY

    await stage.until(lambda it: it.status.state == "Paused")

    assert stage.warning == "ResumeFailed"
    assert stage.status.snapshot == kept


@pytest.mark.failure(
    what="Nobody knows the newest state of a job that failed",
    shown="the storage does not answer either: Operating, `JobFailed` with the storage's error; "
    "looks are counted",
    kept="nothing is started; once the storage answers, the newest checkpoint is gone on from",
)
async def test_storage_that_comes_back_is_looked_into_again() -> None:
    stage = await running()
    newest = stage.job.checkpoint()
    stage.kubelet.fates["inspector"] = NO_STORAGE
    await keeps_ending(stage)
    await stage.looks(120)
    assert (stage.status.state, stage.warning) == ("Operating", "JobFailed")
    told = stage.status.warning.message if stage.status.warning is not None else ""
    assert "Connection refused" in told
    assert "of 8" in told
    stage.kubelet.fates.clear()

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path == newest.path
    assert inspectors(stage) == []


@pytest.mark.parametrize(
    "fate",
    [NO_STORAGE, Fate(unschedulable="0/1 nodes are available"), Fate(waiting="ErrImagePull")],
    ids=["storage", "no-node", "no-image"],
)
async def test_looks_are_bounded(fate: Fate) -> None:
    stage = await running()
    stage.kubelet.fates["inspector"] = fate
    await keeps_ending(stage)

    await stage.settle(passes=5000)

    assert (stage.status.state, stage.warning) == ("Stopped", "JobFailed")
    assert stage.conditions == GIVEN_UP
    assert inspectors(stage) == []


@pytest.mark.failure(
    what="The newest state that lies in the storage is damaged",
    shown="Stopped, `JobFailed`, Stalled; the warning names what can't be read",
    kept="an older state is never started from by itself",
)
async def test_a_damaged_newest_state_is_not_passed_over() -> None:
    stage = await running()
    stage.job.checkpoint()
    newest = stage.job.checkpoint()
    stage.flink.damaged.add(newest.path)

    await keeps_ending(stage)
    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Stopped", 1, "JobFailed")
    assert newest.path in (stage.status.warning.message if stage.status.warning else "")


async def test_a_job_that_left_nothing_is_not_started_empty() -> None:
    stage = await running()
    stage.job.finish()
    stage.job.replace_jobmanager()
    stage.clock.advance(timedelta(minutes=5))

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Stopped", 1)
    assert stage.warning == "JobFailed"


@pytest.mark.parametrize("moment", ["before", "while"])
async def test_stop_ends_a_search(moment: str) -> None:
    stage = await running()
    stage.kubelet.fates["inspector"] = Fate(waiting="ContainerCreating")
    await keeps_ending(stage)
    if moment == "while":
        await stage.until(inspectors)
    stage.wish("Stopped")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", None)
    assert inspectors(stage) == []
    assert stage.conditions["Ready"]


async def test_another_operator_goes_on_with_the_search() -> None:
    stage = await running()
    newest = stage.job.checkpoint()
    stage.kubelet.fates["inspector"] = Fate(waiting="ContainerCreating")
    await keeps_ending(stage)
    await stage.until(inspectors)
    made = inspectors(stage)
    stage.restart_operator()
    await stage.looks(5)
    assert inspectors(stage) == made
    stage.kubelet.fates.clear()

    await stage.settle()

    assert stage.job.restored_path == newest.path


async def test_unknown_is_told_with_its_reason() -> None:
    stage = await running()
    stage.kubelet.fates["jobmanager"] = OUT_OF_MEMORY
    await stage.looks(12)
    ready = next(each for each in stage.status.conditions if each.type == "Ready")
    assert (stage.status.state, ready.status) == ("Unknown", "False")
    assert "OOMKilled" in ready.message


async def test_a_deletion_ends_although_nobody_can_name_its_last_snapshot() -> None:
    stage = await running(deletion={"snapshot": True})
    stage.job.savepoints_wait = True
    stage.delete()
    await stage.looks(2)
    assert stage.triggers
    stage.job.complete_savepoints()
    stage.job.replace_jobmanager(lists_result=True)

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Stopped", 1)
    assert stage.kube.select(kinds.POD, NAMESPACE) == []
