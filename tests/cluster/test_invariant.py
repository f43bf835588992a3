"""Numbered records through everything that happens to a job: none lost, none doubled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Job, wait_for
from tests.cluster.records import numbered_records, report, run_that_is

OUTPUT = "invariant"


@pytest.fixture(scope="module")
def job(cluster: Cluster, numbered_jar: Path) -> Job:
    """The job that runs through all of it."""
    job = cluster.stream_job("invariant", numbered_records(numbered_jar, output=OUTPUT))
    job.settled("Running")
    return job


def goes_on(job: Job) -> None:
    """More records are committed, and what is committed is exact."""
    data = job.cluster.data
    before = _highest(data)
    run_that_is(data, lambda: _highest(data) > before + 400)
    found = report(data, OUTPUT).latest
    # A look between two files of one checkpoint shows a gap that the next look does not.
    if found.lost:
        run_that_is(data, lambda: report(data, OUTPUT).latest.lost == 0, seconds=30)
        found = report(data, OUTPUT).latest
    assert (found.lost, found.doubled, found.misnumbered) == (0, 0, 0)


def _highest(data: Path) -> int:
    latest = report(data, OUTPUT).latest
    return latest.highest if latest is not None else -1


def test_pause_and_resume(job: Job) -> None:
    goes_on(job)
    for _ in range(2):
        job.declare(desiredState="Paused")
        job.settled("Paused")
        job.declare(desiredState="Running")
        job.settled("Running")
        goes_on(job)


def test_upgrade_by_an_edit(job: Job) -> None:
    run = job.status["run"]
    job.declare(flinkConfiguration={"execution.checkpointing.interval": "3 s"})
    status = job.settled("Running")
    assert status["run"] == run + 1
    assert status["snapshot"]["origin"] == "Upgrade"
    goes_on(job)


@pytest.mark.failure(
    what="The new spec can't start",
    shown="Running, `UpgradeFailed` with the cause, Stalled; no warning once the spec is mended",
    kept="the state: no record lost or doubled",
)
def test_an_upgrade_that_cannot_start_is_rolled_back(job: Job) -> None:
    good = job.spec["jar"]
    job.declare(jar={**good, "mainClass": "com.acme.Nobody"})
    status = job.warned("UpgradeFailed")
    status = job.settled("Running")
    assert "com.acme.Nobody" in status["warning"]["message"]
    assert job.condition("Stalled")["status"] == "True"
    assert job.condition("Ready")["status"] == "False"
    goes_on(job)
    job.declare(jar=good)
    status = job.settled("Running")
    assert "warning" not in status
    assert job.condition("Ready")["status"] == "True"


def test_restart_by_a_new_nonce(job: Job) -> None:
    run = job.status["run"]
    job.declare(restartNonce="again")
    status = job.settled("Running")
    assert status["run"] == run + 1
    assert status["snapshot"]["origin"] == "Restart"
    goes_on(job)


def test_snapshot_on_demand_while_the_job_runs(job: Job) -> None:
    run = job.status["run"]
    job.declare(snapshotNonce="now")

    def taken() -> bool:
        return bool(job.status.get("snapshot", {}).get("origin") == "Manual")

    wait_for(taken, "a snapshot on demand", 60, job.told)
    assert job.settled("Running")["run"] == run
    goes_on(job)


@pytest.mark.failure(
    what="A pod is lost",
    shown="JobManager or TaskManager deleted by force: not Running within 30 s, then Running",
    kept="the same run, no record lost or doubled",
)
@pytest.mark.parametrize("component", ["jobmanager", "taskmanager"])
def test_a_killed_pod(job: Job, component: str) -> None:
    run = job.status["run"]
    for pod in job.pods(component):
        job.cluster.kubectl("delete", "pod", pod, "--grace-period=0", "--force")

    def noticed() -> bool:
        return bool(job.status["state"] != "Running")

    wait_for(noticed, "the state tells of it", 30, job.told)
    status = job.settled("Running")
    assert status["run"] == run, "a restart inside Flink is no new run"
    goes_on(job)


@pytest.mark.failure(
    what="The operator is killed",
    shown="killed during a Pause: the next one makes it Paused; killed while a job runs: the "
    "job's pods stay",
    kept="the snapshot; no record lost or doubled",
)
def test_a_killed_operator_disturbs_nothing_and_finishes_what_it_began(job: Job) -> None:
    operator = ("-n", "streamjob-system")
    job.declare(desiredState="Paused")
    job.cluster.kubectl(
        *operator,
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=streamjob-operator",
        "--grace-period=0",
        "--force",
    )
    snapshot = job.settled("Paused")["snapshot"]
    job.declare(desiredState="Running")
    status = job.settled("Running")
    assert status["startedFrom"] == snapshot["path"]
    goes_on(job)
    job.cluster.kubectl(
        *operator,
        "delete",
        "pod",
        "-l",
        "app.kubernetes.io/name=streamjob-operator",
        "--grace-period=0",
        "--force",
    )
    before = job.pods()
    job.cluster.kubectl(
        *operator, "rollout", "status", "deployment/streamjob-operator", "--timeout=110s"
    )
    goes_on(job)
    assert job.pods() == before
    job.cluster.kubectl("delete", "streamjob", job.name, "--wait=true", "--timeout=100s")
