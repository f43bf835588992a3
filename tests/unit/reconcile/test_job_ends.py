"""Jobs that end, or are disturbed, without a wish (contract, section 3)."""

from __future__ import annotations

import pytest

from streamjob_operator.api.run import jobmanager_name
from streamjob_operator.flink.models import Failure
from streamjob_operator.kube import kinds
from tests.fakes.kubelet import Fate
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage, paused, running

pytestmark = pytest.mark.unit

FINE = {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}
GIVEN_UP = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}


async def test_a_bounded_job_that_finishes_is_stopped_and_ready() -> None:
    stage = await running()
    stage.job.finish()

    await stage.settle()
    await stage.looks(600)

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", None, 1)
    assert stage.conditions == FINE
    assert stage.condition("Ready") == ("True", "JobFinished")
    assert stage.condition("Running") == ("False", "JobFinished")
    assert stage.events[-1] == "JobFinished"
    assert stage.kube.select(kinds.POD, NAMESPACE) == []


@pytest.mark.parametrize("wish", ["Paused", "Stopped"])
async def test_a_finished_job_is_ready_for_any_wish(wish: str) -> None:
    stage = await running()
    stage.job.finish()
    await stage.settle()
    stage.wish(wish)

    await stage.settle()

    assert stage.status.state == "Stopped"
    assert stage.conditions == FINE


@pytest.mark.parametrize("how", ["nonce", "stop-and-run"])
async def test_a_finished_job_is_started_afresh_only_on_a_new_wish(how: str) -> None:
    stage = await running()
    stage.job.finish()
    await stage.settle()
    if how == "nonce":
        stage.edit(restartNonce="1")
    else:
        stage.wish("Stopped")
        await stage.settle()
        stage.wish("Running")

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.job.restored_path is None


@pytest.mark.failure(
    what="The job is cancelled from outside",
    shown="Stopped, `JobCancelled`, until the wish is Stopped",
    kept="no run is started by itself",
)
async def test_a_job_cancelled_from_outside_is_told_and_never_started_empty() -> None:
    stage = await running()
    stage.job.cancel()

    await stage.settle()
    await stage.looks(600)

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", "JobCancelled", 1)
    assert stage.conditions["Ready"] is False
    assert stage.condition("LastOperationSucceeded") == ("False", "JobCancelled")
    stage.wish("Stopped")
    await stage.settle()
    assert (stage.warning, stage.conditions) == (None, FINE)


async def test_a_cancelled_job_stays_told_after_an_edit() -> None:
    stage = await running()
    stage.job.cancel()
    await stage.settle()
    stage.edit(pause={"timeout": "5m"})

    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", "JobCancelled", 1)
    assert stage.conditions == GIVEN_UP


async def test_a_cancelled_job_that_had_a_snapshot_restarts_from_it() -> None:
    stage = await paused()
    stage.wish("Running")
    await stage.settle()
    snapshot = stage.status.snapshot
    stage.job.cancel()
    await stage.settle()
    assert snapshot is not None
    assert stage.status.snapshot == snapshot
    stage.edit(restartNonce="1")

    await stage.settle()

    assert stage.status.state == "Running"
    assert stage.job.restored_path == snapshot.path


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="Running without a warning, a new run; events `JobFailed`, `Recovering`, `Recovered`",
    kept="the newest checkpoint: the new run starts from it",
)
async def test_a_job_that_flink_gave_up_is_recovered_from_its_newest_checkpoint() -> None:
    stage = await running()
    newest = stage.job.checkpoint()
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 2)
    assert stage.job.restored_path == newest.path
    assert stage.events[-3:] == ["JobFailed", "Recovering", "Recovered"]
    assert stage.conditions == FINE


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="when the attempts of `recovery` are used up: Stopped, `JobFailed`, Stalled",
    kept="the newest checkpoint, as `snapshot`",
)
async def test_recovery_is_given_up_after_its_attempts() -> None:
    stage = await running(recovery={"maxAttempts": 2})
    newest = stage.job.checkpoint()
    for run in (2, 3):
        stage.flink.on_start[run] = lambda job: job.fail("sink is gone")
    stage.job.fail("sink is gone")

    await stage.settle()
    await stage.looks(600)

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", "JobFailed", 3)
    assert stage.conditions == GIVEN_UP
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == newest.path


async def test_jobs_that_fail_again_after_coming_up_use_up_the_attempts() -> None:
    stage = await running(recovery={"maxAttempts": 2})
    stage.job.fail("sink is gone")
    await stage.until(lambda it: it.status.state != "Running")
    for run in (2, 3):
        await stage.until(lambda it: it.status.state == "Running")
        assert stage.status.run == run
        stage.job.fail("sink is gone")
        await stage.until(lambda it: it.status.state != "Running")

    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", "JobFailed", 3)


async def test_attempts_count_anew_after_ten_quiet_minutes() -> None:
    stage = await running(recovery={"maxAttempts": 1})
    stage.job.fail("sink is gone")
    await stage.settle()
    assert stage.status.run == 2
    await stage.looks(660)
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 3)


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="with `recovery.enabled: false`: Stopped, `JobFailed`",
    kept="the newest checkpoint, as `snapshot`: a new `restartNonce` starts from it",
)
async def test_without_recovery_a_failed_job_is_stopped_with_its_checkpoint() -> None:
    stage = await running(recovery={"enabled": False})
    newest = stage.job.checkpoint()
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "JobFailed")
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == newest.path
    stage.edit(restartNonce="1")
    await stage.settle()
    assert stage.job.restored_path == newest.path


async def test_a_recovery_is_made_with_the_last_good_spec_where_the_edit_is_invalid() -> None:
    stage = await running()
    stage.edit(flinkConfiguration={"high-availability.type": "none"})
    await stage.settle()
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.warning == "InvalidSpec"


@pytest.mark.failure(
    what="Flink can't be asked",
    shown="Unknown, not Ready, no warning; then Running",
    kept="the same run: nothing is touched",
)
async def test_flink_that_cannot_be_asked_is_unknown_and_nothing_is_touched() -> None:
    stage = await running()
    stage.flink.unreachable = True
    await stage.looks(6)
    assert (stage.status.state, stage.warning) == ("Unknown", None)
    assert stage.conditions["Ready"] is False
    mark = len(stage.calls.made)

    await stage.looks(60)

    assert stage.calls.writes(mark) == []
    stage.flink.unreachable = False
    await stage.settle()
    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 1)
    assert stage.conditions == FINE


@pytest.mark.failure(
    what="Flink can't be asked",
    shown="for two minutes: Unknown, `JobManagerUnavailable`; then Running without a warning",
    kept="nothing is touched",
)
async def test_flink_that_cannot_be_asked_for_two_minutes_is_a_warning() -> None:
    stage = await running()
    stage.flink.unreachable = True
    await stage.looks(130)
    mark = len(stage.calls.made)

    await stage.looks(30)

    assert (stage.status.state, stage.warning) == ("Unknown", "JobManagerUnavailable")
    assert stage.conditions["Ready"] is False
    assert stage.conditions["LastOperationSucceeded"] is True
    assert stage.events.count("JobManagerUnavailable") == 1
    assert stage.calls.writes(mark) == []
    stage.flink.unreachable = False
    await stage.settle()
    assert (stage.status.state, stage.warning) == ("Running", None)
    assert stage.conditions == FINE


async def test_a_failed_pause_is_still_told_after_flink_could_not_be_asked() -> None:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")
    await stage.settle()
    stage.flink.unreachable = True
    await stage.looks(180)
    assert (stage.status.state, stage.warning) == ("Unknown", "PauseFailed")
    stage.flink.unreachable = False

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", "PauseFailed")


@pytest.mark.failure(
    what="A pod is lost",
    shown="all pods of the job: Unknown with 0 CU, then Running",
    kept="the same run",
)
async def test_a_jobmanager_pod_that_is_lost_is_unknown_until_it_is_back() -> None:
    stage = await running()
    for component in ("jobmanager", "taskmanager"):
        stage.kubelet.fates[component] = Fate(waiting="ContainerCreating")
    for pod in stage.kube.select(kinds.POD, NAMESPACE):
        stage.kube.vanish(kinds.POD, NAMESPACE, pod["metadata"]["name"])
    await stage.looks(10)
    assert stage.status.state == "Unknown"
    assert stage.status.running_cu == "0"

    stage.kubelet.fates.clear()
    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 1)


@pytest.mark.failure(
    what="Flink restarts the job",
    shown="Operating, operation Recover with the cause, event `JobRestarting`; then Running "
    "without a warning",
    kept="the same run",
)
async def test_a_job_that_flink_restarts_is_operating_with_the_cause() -> None:
    stage = await running()
    stage.job.restart("source lost")
    await stage.looks(2)

    assert stage.status.state == "Operating"
    assert stage.status.operation is not None
    assert stage.status.operation.type == "Recover"
    assert "source lost" in stage.status.operation.message
    assert stage.events[-1] == "JobRestarting"
    stage.job.run()
    await stage.settle()
    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 1)
    assert stage.status.flink is not None
    assert stage.status.flink.restarts == 1


async def test_a_flicker_of_the_tasks_is_no_restart() -> None:
    stage = await running()
    stage.job.deploy(running=1)
    stage.job.changed_at = stage.clock.now().timestamp()
    await stage.look()

    assert stage.status.state == "Running"


@pytest.mark.failure(
    what="Flink restarts the job",
    shown="again and again: Running and Ready, `JobRestarting` with how often; it goes after "
    "quiet minutes",
    kept="the job runs on",
)
async def test_a_job_that_keeps_restarting_carries_a_warning_until_it_was_quiet() -> None:
    stage = await running()
    for _ in range(3):
        stage.job.restart("source lost")
        await stage.looks(10)
        stage.job.run()
        await stage.looks(10)

    assert (stage.status.state, stage.warning) == ("Running", "JobRestarting")
    assert stage.status.warning is not None
    assert "3 times" in stage.status.warning.message
    assert stage.condition("LastOperationSucceeded")[0] == "True"
    assert stage.condition("Ready") == ("True", "Running")
    await stage.looks(240)
    assert stage.warning is None


@pytest.mark.failure(
    what="A child object is deleted by hand",
    shown="Running, event `PutBack`",
    kept="the same run: the object is made again",
)
@pytest.mark.parametrize("kind", [kinds.SERVICE, kinds.DEPLOYMENT], ids=lambda kind: kind.name)
async def test_objects_that_somebody_removed_are_made_again(kind: kinds.Kind) -> None:
    stage = await running()
    stage.kube.vanish(kind, NAMESPACE, jobmanager_name(NAME, 1))
    stage.memory.children = None

    await stage.settle()

    assert stage.kube.read(kind, NAMESPACE, jobmanager_name(NAME, 1)) is not None
    assert (stage.status.state, stage.status.run) == ("Running", 1)
    assert "PutBack" in stage.events


async def test_a_pod_that_takes_long_to_come_back_is_no_new_run() -> None:
    stage: Stage = await running()
    stage.kubelet.fates["taskmanager"] = Fate(unschedulable="0/1 nodes: Insufficient cpu")
    await stage.looks(60)

    assert (stage.status.state, stage.warning) == ("Operating", "PodsPending")
    mark = len(stage.calls.made)
    await stage.looks(60)
    assert len(stage.calls.writes(mark)) <= 1
    stage.kubelet.fates.clear()
    await stage.settle()
    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 1)
