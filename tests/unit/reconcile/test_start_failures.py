"""Starts that go wrong: Run, Resume, and what is kept (contract, section 3)."""

from __future__ import annotations

import pytest

from streamjob_operator.errors import Rejected
from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.fakes.kubelet import RUNS, Fate
from tests.unit.reconcile.driver import NAMESPACE, SQL, Stage, paused

pytestmark = pytest.mark.unit

GIVEN_UP = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}
BAD_SQL = "SQL validation failed. From line 3, column 27: Object 'order' not found"


@pytest.mark.failure(
    what="The job can't start: its script, program, image, storage or snapshot is at fault",
    shown="the script: Stopped, `RunFailed` with line and remedy, Stalled, not tried again",
    kept="nothing: the job never ran",
)
async def test_a_script_that_flink_refuses_is_not_tried_again() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail_in_program(BAD_SQL)
    stage.apply(jar=None, sql={"script": SQL})

    await stage.settle()
    await stage.looks(600)

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", "RunFailed", 1)
    assert stage.conditions == GIVEN_UP
    assert stage.status.warning is not None
    assert "line 3" in stage.status.warning.message
    assert stage.status.warning.remedy
    assert stage.events == ["Starting", "RunFailed"]
    assert stage.kube.select(kinds.POD, NAMESPACE) == []


async def test_an_edit_after_a_failed_run_runs_at_once() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail_in_program(BAD_SQL)
    stage.apply(jar=None, sql={"script": SQL})
    await stage.settle()
    stage.edit(sql={"script": SQL.replace("SELECT id", "SELECT id + 1")})

    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 2)
    assert stage.job.restored_path is None


async def test_a_new_restart_nonce_after_a_failed_run_runs_at_once() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail_in_program("no such class")
    stage.apply()
    await stage.settle()
    stage.edit(restartNonce="1")

    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 2)


async def test_a_snapshot_nonce_does_not_hide_that_the_run_was_given_up() -> None:
    stage = Stage()
    for run in (1, 2):
        stage.flink.on_start[run] = lambda job: job.fail_in_program("no such class")
    stage.apply()
    await stage.until(lambda it: it.status.operation and it.status.operation.phase == "Ending")
    stage.edit(snapshotNonce="1")

    await stage.settle()

    assert stage.warning == "RunFailed"
    assert stage.conditions == GIVEN_UP


async def test_a_program_that_starts_no_job_is_wrong_not_finished() -> None:
    stage = Stage()
    stage.flink.on_start[1] = FakeJob.end_without_job
    stage.apply()

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.conditions == GIVEN_UP


@pytest.mark.failure(
    what="The job can't start: something that time can heal",
    shown="after three runs: Stopped, `RunFailed` with three attempts, Stalled",
    kept="nothing: the job never ran",
)
async def test_errors_of_infrastructure_are_tried_three_times() -> None:
    stage = Stage()
    for run in (1, 2, 3, 4):
        stage.flink.on_start[run] = lambda job: job.fail("Connection refused: kafka:9092")
    stage.apply()

    await stage.settle()
    await stage.looks(1200)

    assert (stage.status.state, stage.warning, stage.status.run) == ("Stopped", "RunFailed", 3)
    assert stage.status.warning is not None
    assert stage.status.warning.attempts == 3
    assert stage.conditions == GIVEN_UP
    assert stage.events.count("RunFailed") == 3


async def test_between_attempts_the_job_is_stopped_and_reconciling() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail("Connection refused: kafka:9092")
    stage.apply()
    await stage.until(lambda it: it.status.state == "Stopped")

    assert stage.conditions == {"Ready": False, "Stalled": False, "LastOperationSucceeded": False}
    assert stage.condition("Reconciling")[0] == "True"
    await stage.until(lambda it: it.status.run == 2)
    assert (stage.status.state, stage.warning) == ("Operating", "RunFailed")
    await stage.settle()
    assert (stage.status.state, stage.warning) == ("Running", None)


async def test_a_start_has_failed_at_the_third_restart_of_the_job() -> None:
    def restarts(job: FakeJob) -> None:
        for _ in range(3):
            job.restart("wrong password")

    stage = Stage()
    stage.flink.on_start[1] = restarts
    stage.apply(retry={"maxAttempts": 1})

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.status.warning is not None
    assert "wrong password" in stage.status.warning.message


@pytest.mark.failure(
    what="The job can't start: its script, program, image, storage or snapshot is at fault",
    shown="the image: Operating, `PodsPending`; after `start.timeout` Stopped, `RunFailed`",
    kept="nothing: the job never ran",
)
async def test_an_image_that_cannot_be_pulled_is_waited_for_until_the_start_times_out() -> None:
    stage = Stage()
    stage.kubelet.fates["jobmanager"] = Fate(waiting="ImagePullBackOff", message="not found")
    stage.apply(start={"timeout": "90s"}, retry={"maxAttempts": 1})

    await stage.looks(20)
    assert (stage.status.state, stage.warning) == ("Operating", None)
    await stage.looks(20)
    assert (stage.status.state, stage.warning) == ("Operating", "PodsPending")
    assert stage.condition("LastOperationSucceeded")[0] == "True"
    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.status.warning is not None
    assert "can't get its image (ImagePullBackOff): not found" in stage.status.warning.message
    assert stage.conditions == GIVEN_UP


@pytest.mark.failure(
    what="No room on the nodes",
    shown="Operating, `PodsPending` with the scheduler's words; Running when there is room",
    kept="the same run",
)
async def test_no_room_on_the_nodes_is_named_and_ends_when_there_is_room() -> None:
    stage = Stage()
    stage.kubelet.fates["taskmanager"] = Fate(unschedulable="0/1 nodes: Insufficient cpu")
    stage.apply()
    await stage.looks(40)
    assert (stage.status.state, stage.warning) == ("Operating", "PodsPending")
    assert stage.status.warning is not None
    assert "Insufficient cpu" in stage.status.warning.message

    stage.kubelet.fates["taskmanager"] = RUNS
    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 1)


@pytest.mark.failure(
    what="The job can't start: its script, program, image, storage or snapshot is at fault",
    shown="the image's name or the main class: within a minute Stopped, `RunFailed`, Stalled",
    kept="nothing: the job never ran",
)
@pytest.mark.parametrize(
    ("fate", "text"),
    [
        (Fate(waiting="InvalidImageName", message="bad"), "InvalidImageName"),
        (
            Fate(
                exit_code=1,
                message="org.apache.flink.util.FlinkException: Could not load the provided "
                "entrypoint class.\nCaused by: java.lang.ClassNotFoundException: com.acme.Main\n",
            ),
            "com.acme.Main",
        ),
    ],
    ids=["image-name", "class"],
)
async def test_a_jobmanager_that_can_never_come_up_is_given_up_at_once(
    fate: Fate, text: str
) -> None:
    stage = Stage()
    stage.kubelet.fates["jobmanager"] = fate
    stage.apply()
    before = stage.clock.now()

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.status.warning is not None
    assert text in stage.status.warning.message
    assert stage.conditions == GIVEN_UP
    assert (stage.clock.now() - before).total_seconds() < 60


async def test_a_jobmanager_that_keeps_ending_fails_the_start_after_its_third_end() -> None:
    stage = Stage()
    stage.kubelet.fates["jobmanager"] = Fate(exit_code=1, message="who knows")
    stage.apply(retry={"maxAttempts": 1})
    await stage.looks(20)
    assert stage.status.state == "Operating"
    stage.kubelet.fates["jobmanager"] = Fate(exit_code=1, message="who knows", ends=3)

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")


@pytest.mark.failure(
    what="Kubernetes refuses an object",
    shown="Stopped, `RunFailed` with Kubernetes' words, Stalled",
    kept="nothing: the job never ran",
)
async def test_what_kubernetes_refuses_is_told() -> None:
    stage = Stage()
    refusal = Rejected('deployments.apps "orders-jm-1" is forbidden: exceeded quota')
    stage.calls.fail("kube", "apply", refusal, what="Deployment", times=99)
    stage.apply(retry={"maxAttempts": 1})

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.status.warning is not None
    assert "exceeded quota" in stage.status.warning.message
    assert stage.conditions == GIVEN_UP


@pytest.mark.failure(
    what="The snapshot to resume from is missing",
    shown="Paused, `ResumeFailed`, Stalled",
    kept="the reference to the snapshot; never an empty start",
)
async def test_a_resume_whose_snapshot_is_missing_stays_paused_and_keeps_the_reference() -> None:
    stage = await paused()
    snapshot = stage.status.snapshot
    assert snapshot is not None
    stage.flink.files.discard(snapshot.path)
    stage.wish("Running")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Paused", "ResumeFailed")
    assert stage.status.snapshot == snapshot
    assert stage.conditions == GIVEN_UP
    assert all(job.restored_path for job in list(stage.flink.jobs_by_address.values())[1:])


async def test_that_snapshot_put_back_can_be_resumed_with_a_new_nonce() -> None:
    stage = await paused()
    snapshot = stage.status.snapshot
    assert snapshot is not None
    stage.flink.files.discard(snapshot.path)
    stage.wish("Running")
    await stage.settle()
    stage.flink.files.add(snapshot.path)
    stage.edit(restartNonce="1")

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", None)
    assert stage.job.restored_path == snapshot.path


@pytest.mark.failure(
    what="A start fails after a checkpoint of its own",
    shown="a Resume: Paused, `ResumeFailed`",
    kept="that checkpoint becomes `snapshot`: the next attempt starts from it",
)
async def test_a_start_that_failed_after_a_checkpoint_of_its_own_keeps_that_one() -> None:
    def commits_then_fails(job: FakeJob) -> None:
        job.run()
        job.checkpoint()
        job.fail("Connection refused: sink")

    stage = await paused()
    before = stage.status.snapshot
    for run in (2, 3, 4):
        stage.flink.on_start[run] = commits_then_fails
    stage.wish("Running")

    await stage.until(lambda it: it.status.state == "Paused" and it.status.run == 2)

    assert stage.warning == "ResumeFailed"
    assert stage.status.snapshot is not None
    assert stage.status.snapshot != before
    assert stage.status.snapshot.path == stage.job_of(2).checkpoints[-1].path
    await stage.until(lambda it: (it.status.run == 3 and it.flink.alive) or it.status.run == 3)
    assert stage.status.started_from == stage.job_of(2).checkpoints[-1].path


@pytest.mark.failure(
    what="A start fails after a checkpoint of its own",
    shown="a first Run: Running, by a second run",
    kept="that checkpoint: the second run starts from it",
)
async def test_a_first_run_that_failed_after_a_checkpoint_is_never_started_empty() -> None:
    def commits_then_fails(job: FakeJob) -> None:
        job.run()
        job.checkpoint()
        job.fail("Connection refused: sink")

    stage = Stage()
    stage.flink.on_start[1] = commits_then_fails
    stage.apply()

    await stage.settle()

    assert stage.status.state == "Running"
    assert stage.job_of(2).restored_path == stage.job_of(1).checkpoints[-1].path


async def test_a_bounded_job_that_finishes_while_it_starts_is_finished() -> None:
    stage = Stage()
    stage.flink.on_start[1] = FakeJob.finish
    stage.apply()

    await stage.settle()
    await stage.looks(600)

    assert (stage.status.state, stage.status.run) == ("Stopped", 1)
    assert stage.condition("Ready") == ("True", "JobFinished")
    assert stage.warning is None


async def test_a_script_too_large_for_a_config_map_is_told() -> None:
    stage = Stage()
    script = "-- " + "x" * 600_000 + "\n" + SQL
    about = {"name": "script", "namespace": NAMESPACE}
    stage.kube.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"job.sql": script}}
    )
    reference = {"configMapKeyRef": {"name": "script", "key": "job.sql"}}
    stage.apply(jar=None, sql={"scriptFrom": reference})

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.status.warning is not None
    assert "shorten the script" in stage.status.warning.message


async def test_a_batch_job_may_run_for_longer_than_a_start_may_take() -> None:
    stage = Stage()
    stage.flink.on_start[1] = _batch
    stage.apply(start={"timeout": "2m"})

    await stage.looks(600)

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)


def _one_task_with_a_checkpoint(job: FakeJob) -> None:
    job.deploy(running=1)
    job.checkpoint()


def _batch(job: FakeJob) -> None:
    job.job_type = "BATCH"
    job.deploy(running=1)
