"""TaskManagers that are taken away, a job that Flink gives up, a job cancelled behind our back."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.cluster.cluster import Body, Cluster, Job, NotYetError, wait_for
from tests.cluster.conftest import TESTBED
from tests.cluster.processes import java_of, kill
from tests.cluster.records import numbered_records, report
from tests.cluster.troubles import (
    SMALL,
    TASKMANAGER,
    conditions,
    event_of,
    evict,
    given_up,
    goes_on,
    is_in,
    run_command,
)
from tests.cluster.watching import watching

OUTPUT = "taken-away"


@pytest.fixture(scope="module")
def job(cluster: Cluster, numbered_jar: Path) -> Iterator[Job]:
    """One job through all that happens to TaskManagers; at last it is cancelled."""
    spec = numbered_records(numbered_jar, output=OUTPUT, resources=SMALL)
    # Fewer of them fail while the job restarts than would be a warning of their own.
    spec["flinkConfiguration"]["execution.checkpointing.interval"] = "5 s"
    job = cluster.stream_job("taken-away", spec)
    job.settled("Running")
    yield job
    cluster.kubectl("delete", "streamjob", job.name, "--ignore-not-found", "--wait=true")


def restarted(job: Job, times: int, seconds: float = 120) -> Body:
    """The status once Flink has restarted the job so often and it runs again."""

    def look() -> Body | None:
        status = job.status
        there = status["state"] == "Running" and "operation" not in status
        return status if there and status["flink"]["restarts"] >= times else None

    return wait_for(look, f"{times} restarts, and Running", seconds, job.told)


@pytest.mark.failure(
    what="A pod is lost",
    shown="TaskManager evicted: Operating, operation Recover, event `JobRestarting`; then Running "
    "without a warning",
    kept="the same run, every record exactly once",
)
def test_an_evicted_taskmanager_is_replaced_and_the_job_goes_on(job: Job, tmp_path: Path) -> None:
    before = job.status
    with watching(job, tmp_path) as watch:
        evict(job, TASKMANAGER)
        status = is_in(job, "Operating", 30)
        assert status["operation"]["type"] == "Recover"
        assert conditions(status)["Ready"] == "False"
        status = restarted(job, 1)
        shown = watch.shown
    assert shown == [("Running", ""), ("Operating", ""), ("Running", "")]
    assert (status["run"], status["flink"]["jobId"]) == (before["run"], before["flink"]["jobId"])
    event_of(job, "JobRestarting")
    goes_on(job, OUTPUT)


@pytest.mark.failure(
    what="Flink restarts the job",
    shown="TaskManagers lost three times: at the third, `JobRestarting` with how often, since "
    "when and Flink's cause; it stays while the job is Running again",
    kept="the same run, every record exactly once",
)
def test_taskmanagers_that_keep_dying_are_told_with_flinks_cause(job: Job, tmp_path: Path) -> None:
    run = job.status["run"]
    with watching(job, tmp_path) as watch:
        for _ in range(6):
            times = job.status["flink"]["restarts"]
            if times >= 3:
                break
            kill(java_of(job, TASKMANAGER))
            # What is killed while its container starts is none of Flink's yet.
            with suppress(NotYetError):
                restarted(job, times + 1, seconds=60)
        status = job.warned("JobRestarting", seconds=30)
        shown = watch.shown
    assert "times since" in status["warning"]["message"]
    assert "TaskManager" in status["warning"]["message"]
    assert status["warning"]["remedy"]
    assert conditions(status)["Ready"] == "True"
    assert conditions(status)["Stalled"] == "False"
    assert conditions(status)["LastOperationSucceeded"] == "True"
    warnings = [warning for warning, _ in itertools.groupby(shown, lambda pair: pair[1])]
    assert warnings == ["", "JobRestarting"], "it never comes and goes"
    assert shown[-1] == ("Running", "JobRestarting")
    assert job.settled("Running")["run"] == run
    goes_on(job, OUTPUT)


@pytest.mark.failure(
    what="The job is cancelled from outside",
    shown="Stopped, `JobCancelled` with what to do; Stalled, an event; 0 CU",
    kept="nothing is started by itself; Stopped and then Running is a fresh run",
)
def test_a_job_that_somebody_cancels_in_flink_stays_stopped(job: Job, tmp_path: Path) -> None:
    status = job.status
    address = f"{status['flink']['uiUrl']}/jobs/{status['flink']['jobId']}?mode=cancel"
    with watching(job, tmp_path) as watch:
        run_command(str(TESTBED), "enter", "curl", "-sf", "-X", "PATCH", address)
        job.warned("JobCancelled", seconds=60)
        status = job.settled("Stopped")
        shown = watch.shown
    assert shown[-2:] == [("Operating", "JobCancelled"), ("Stopped", "JobCancelled")]
    assert "was cancelled in Flink" in status["warning"]["message"]
    assert "set desiredState to Stopped and then to Running" in status["warning"]["remedy"]
    assert given_up(status)
    assert status["runningCU"] == "0"
    assert job.has_no_pods()
    assert "was cancelled in Flink" in event_of(job, "JobCancelled")
    assert len(report(job.cluster.data, OUTPUT).runs) == 1, "nothing was started empty"


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="it fails again after each recovery: Stopped, `JobFailed` with the exception's root "
    "cause after the last attempt; Stalled, an event; 0 CU",
    kept="the newest checkpoint, as `snapshot`: with a new `restartNonce` the job goes on from it, "
    "every record exactly once",
)
def test_a_job_that_fails_after_every_recovery_is_stopped_with_its_newest_checkpoint(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job], tmp_path: Path
) -> None:
    trouble = cluster.data / "poison"
    more = {"recovery": {"maxAttempts": 1}, "resources": SMALL}
    spec = numbered_records(numbered_jar, output="poisoned", **more)
    spec["jar"]["args"] += ["--fail-when-file", f"/data/{trouble.name}"]
    spec["flinkConfiguration"]["restart-strategy.type"] = "disable"
    job = cluster.stream_job("poisoned", spec)
    gone_afterwards.append(job)
    job.settled("Running")
    goes_on(job, "poisoned")
    with watching(job, tmp_path) as watch:
        trouble.touch()
        status = job.settled("Stopped")
        shown = watch.shown
    cause = f"Told to fail: the file /data/{trouble.name} exists"
    warning = status["warning"]
    assert (warning["reason"], cause in warning["message"]) == ("JobFailed", True), warning
    assert shown == [
        ("Running", ""),
        ("Operating", ""),
        ("Operating", "JobFailed"),
        ("Stopped", "JobFailed"),
    ]
    assert given_up(status)
    assert status["runningCU"] == "0"
    assert cause in event_of(job, "JobFailed")
    assert status["snapshot"]["origin"] == "Checkpoint"
    kept = cluster.data / status["snapshot"]["path"].removeprefix("file:/data/")
    assert (kept / "_metadata").is_file()
    trouble.unlink()
    job.declare(restartNonce="mended")
    status = job.settled("Running")
    assert status["startedFrom"] == f"file:/data/{kept.relative_to(cluster.data)}"
    assert "warning" not in status
    goes_on(job, "poisoned")
