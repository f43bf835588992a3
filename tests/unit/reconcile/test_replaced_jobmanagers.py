"""A JobManager that took over knows less than the one before it.

It has no statistics but what it restored itself, remembers no request, and does not name a job that
has ended, or by its result alone.
"""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamjob_operator.kube import kinds
from tests.fakes.kubelet import Fate
from tests.unit.reconcile.driver import NAMESPACE, Stage, running

pytestmark = pytest.mark.unit

NO_STORAGE = Fate(exit_code=1, message='{"problem": "Connection refused"}')
LOST = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="after a new JobManager had taken over: Running, a new run",
    kept="the checkpoint that the JobManager itself had restored",
)
async def test_a_recovery_goes_on_from_what_the_jobmanager_itself_restored() -> None:
    stage = await running()
    stage.edit(snapshotNonce="1")
    await stage.settle()
    stage.clock.advance(timedelta(minutes=5))
    newest = stage.job.checkpoint()
    stage.job.replace_jobmanager()
    stage.job.run()
    await stage.looks(5)
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.job.restored_path == newest.path


async def test_a_recovery_without_any_snapshot_is_not_empty_either() -> None:
    stage = await running()
    newest = stage.job.checkpoint()
    stage.job.replace_jobmanager()
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.job.restored_path == newest.path


async def _failed(*, lists_result: bool) -> Stage:
    stage = await running()
    stage.edit(snapshotNonce="1")
    await stage.settle()
    stage.clock.advance(timedelta(minutes=5))
    stage.job.checkpoint()
    stage.job.fail("sink is gone")
    stage.job.replace_jobmanager(lists_result=lists_result)
    stage.kubelet.fates["inspector"] = NO_STORAGE
    return stage


@pytest.mark.failure(
    what="Nobody knows the newest state of a job that failed",
    shown="Stopped, `JobFailed`, Stalled; the remedy is `spec.restore.snapshot`",
    kept="no run is started by itself, not by an edit either",
)
@pytest.mark.parametrize("lists_result", [True, False], ids=["result-only", "not-named"])
async def test_a_job_whose_newest_state_nobody_knows_is_never_started_by_itself(
    *, lists_result: bool
) -> None:
    stage = await _failed(lists_result=lists_result)

    await stage.settle(passes=2000)
    stage.edit(pause={"timeout": "5m"})
    await stage.settle()
    stage.edit(parallelism=2)
    await stage.looks(900)

    assert (stage.status.state, stage.status.run, stage.warning) == ("Stopped", 1, "JobFailed")
    assert stage.conditions == LOST
    assert stage.kube.select(kinds.POD, NAMESPACE) == []
    remedy = stage.status.warning.remedy if stage.status.warning is not None else None
    assert remedy is not None
    assert "spec.restore.snapshot" in remedy


@pytest.mark.failure(
    what="Nobody knows the newest state of a job that failed",
    shown="a new `restartNonce` is answered by the event `RestartRefused` and the same warning",
    kept="no run is started from an older state",
)
async def test_such_a_job_is_not_started_from_an_older_state_by_a_restart_nonce() -> None:
    stage = await _failed(lists_result=False)
    await stage.settle(passes=2000)
    stage.edit(restartNonce="1")

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Stopped", 1, "JobFailed")
    assert stage.conditions == LOST
    assert stage.events.count("RestartRefused") == 1


async def test_such_a_job_starts_afresh_where_the_user_lets_go_of_its_state() -> None:
    stage = await _failed(lists_result=False)
    await stage.settle(passes=2000)
    stage.edit(restartNonce="1", upgrade={"mode": "Stateless"})

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path is None


@pytest.mark.parametrize("lists_result", [True, False], ids=["result-only", "not-named"])
async def test_such_a_job_starts_from_the_snapshot_that_the_user_names(
    *, lists_result: bool
) -> None:
    stage = await _failed(lists_result=lists_result)
    newest = stage.job.checkpoints[-1].path
    await stage.settle(passes=2000)
    stage.edit(restore={"snapshot": newest})

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path == newest


async def test_a_job_that_is_not_named_for_a_moment_only_is_waited_for() -> None:
    stage = await running()
    stage.job.submitted = False
    await stage.looks(50)
    assert (stage.status.state, stage.warning) == ("Unknown", None)

    stage.job.run()
    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)


@pytest.mark.failure(
    what="Nobody knows whether the snapshot was completed",
    shown="Stopped, `PauseFailed`, Stalled; the warning names the snapshot's directory and "
    "`spec.restore.snapshot`",
    kept="what may lie in that directory; no run is started by itself",
)
@pytest.mark.parametrize("lists_result", [True, False], ids=["result-only", "not-named"])
async def test_a_pause_whose_outcome_nobody_knows_names_where_the_snapshot_lies(
    *, lists_result: bool
) -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    assert stage.status.operation is not None
    directory = stage.status.operation.target_dir
    stage.job.complete_savepoints()
    stage.job.replace_jobmanager(lists_result=lists_result)
    stage.kubelet.fates["inspector"] = NO_STORAGE

    await stage.settle(passes=2000)
    stage.edit(pause={"timeout": "5m"})
    await stage.looks(900)

    assert (stage.status.state, stage.status.run) == ("Stopped", 1)
    warning = stage.status.warning
    assert warning is not None
    assert warning.reason == "PauseFailed"
    assert directory is not None
    assert directory in f"{warning.message} {warning.remedy}"
    assert "spec.restore.snapshot" in f"{warning.remedy}"
    assert stage.conditions == LOST


@pytest.mark.failure(
    what="Nobody knows whether the snapshot was completed",
    shown="Running without a warning, once `restore.snapshot` names what was found",
    kept="that snapshot: the new run starts from it",
)
async def test_a_pause_whose_outcome_nobody_knows_can_be_resumed_from_what_was_found() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.job.complete_savepoints()
    (savepoint,) = stage.job.savepoints.values()
    stage.job.replace_jobmanager()
    stage.kubelet.fates["inspector"] = NO_STORAGE
    await stage.settle(passes=2000)
    stage.edit(restore={"snapshot": savepoint.path}, desiredState="Running")

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 2, None)
    assert stage.job.restored_path == savepoint.path


async def test_a_pause_whose_outcome_nobody_knows_does_not_go_on_by_the_wish_alone() -> None:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    stage.job.complete_savepoints()
    stage.job.replace_jobmanager()
    stage.kubelet.fates["inspector"] = NO_STORAGE
    await stage.settle(passes=2000)
    stage.wish("Running")

    await stage.looks(900)

    assert (stage.status.state, stage.status.run) == ("Stopped", 1)


@pytest.mark.parametrize("change", [{"parallelism": 2}, {"desiredState": "Paused"}])
async def test_a_start_that_may_have_checkpoints_is_not_abandoned_while_its_pods_are_away(
    change: dict[str, object],
) -> None:
    stage = Stage()
    stage.flink.on_start[1] = stage.run_at_once
    stage.flink.unreachable = True
    stage.apply()
    await stage.looks(10)
    newest = stage.job.checkpoints[-1].path
    stage.edit(**change)
    for pod in stage.kube.select(kinds.POD, NAMESPACE):
        stage.kube.vanish(kinds.POD, NAMESPACE, pod["metadata"]["name"])
    await stage.looks(10)
    stage.flink.unreachable = False
    await stage.settle()
    stage.wish("Running")

    await stage.settle()

    assert stage.status.state == "Running"
    assert stage.status.run == 2
    assert stage.job.restored_path in {newest, stage.job_of(1).saved[-1]}


@pytest.mark.failure(
    what="Flink can't be asked",
    shown="still Unknown while the JobManager does not name the job yet; then Running without a "
    "warning",
    kept="the same run",
)
async def test_a_jobmanager_that_leads_again_may_take_a_moment_to_name_the_job() -> None:
    stage = await running()
    stage.flink.unreachable = True
    await stage.looks(5)
    stage.clock.advance(timedelta(minutes=5))
    stage.flink.unreachable = False
    stage.job.submitted = False
    await stage.looks(5)
    assert stage.status.state == "Unknown"
    stage.job.submitted = True

    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)
