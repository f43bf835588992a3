"""Pauses that go wrong on real Flink: what a user sees meanwhile, and what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Body, Cluster, Job, wait_for
from tests.cluster.processes import frozen, kill
from tests.cluster.records import goes_on_exactly, numbered_records, report
from tests.cluster.watching import GIVEN_UP, WELL, conditions, watching

OUTPUT = "pauses"
SMALL = {"jobManager": {"cu": "0.2"}, "taskManager": {"cu": "0.2", "slots": 1}}


def numbers(jar: Path, output: str, *args: str, **flink: str) -> Body:
    """The numbered-records job with one slot, further arguments, and settings of Flink's."""
    spec = numbered_records(jar, output=output, parallelism=1, resources=SMALL)
    # Flink's start scripts don't hear that they are to end; a killed TaskManager is in them again.
    spec["taskManager"] = {"podTemplate": {"spec": {"terminationGracePeriodSeconds": 5}}}
    spec["jar"]["args"] += args
    spec["flinkConfiguration"].update(flink)
    return spec


@pytest.fixture(scope="module")
def job(cluster: Cluster, numbered_jar: Path) -> Iterator[Job]:
    """A job whose TaskManager may be held still for a while, and that Flink never restarts."""
    flink = {"heartbeat.timeout": "60 s", "restart-strategy.type": "disable"}
    spec = numbers(numbered_jar, OUTPUT, **flink)
    job = cluster.stream_job("pauses", {**spec, "retry": {"maxAttempts": 2}})
    yield job
    cluster.kubectl("delete", "streamjob", job.name, "--ignore-not-found", "--wait=true")


def runs(job: Job, output: str = OUTPUT) -> Body:
    """The job runs, and all that it commits is exact."""
    job.declare(desiredState="Running", pause={})
    status = job.settled("Running")
    goes_on_exactly(job, output)
    return status


def storage_of(job: Job) -> Path:
    """The job's own directory below its storage, on the node."""
    base = job.cluster.data / "streamjob" / job.cluster.namespace
    return base / f"{job.name}-{job.status['jobId']}"


def under_way(job: Job) -> Body:
    """The operation, once Flink has taken the request for a snapshot."""

    def look() -> Body | None:
        operation: Body = job.status.get("operation", {})
        return operation if operation.get("message") == "Flink is taking the snapshot" else None

    return wait_for(look, "Flink is taking the snapshot", 30, job.told)


def seen_by_the_operator(job: Job) -> None:
    """The newest wish has been looked at."""

    def look() -> bool:
        body = job.body
        return bool(body["status"]["observedGeneration"] == body["metadata"]["generation"])

    wait_for(look, "the newest wish is looked at", 15, job.told)


def stalled(job: Job) -> Body:
    """The status once the operator has given up."""
    wait_for(lambda: job.condition("Stalled").get("status") == "True", "Stalled", 120, job.told)
    return job.status


@pytest.mark.failure(
    what="The snapshot fails, the job runs on",
    shown="its directory can't be written: Running, `PauseFailed` with Flink's cause, which stays "
    "during the second attempt, then Stalled; mended and edited: Paused, no warning",
    kept="the same run, every record exactly once",
)
def test_a_snapshot_that_fails_leaves_the_job_running(job: Job, tmp_path: Path) -> None:
    run = runs(job)["run"]
    savepoints = storage_of(job) / "savepoints"
    savepoints.mkdir(exist_ok=True)
    savepoints.chmod(0o555)
    with watching(job, tmp_path) as watch:
        job.declare(desiredState="Paused")
        status = stalled(job)
        assert watch.shown == [
            ("Running", ""),
            ("Operating", ""),
            ("Running", "PauseFailed"),
            ("Operating", "PauseFailed"),
            ("Running", "PauseFailed"),
        ]
    assert status["warning"]["attempts"] == 2
    assert "savepoint directory" in status["warning"]["message"]
    assert "spec.storage.uri" in status["warning"]["remedy"]
    assert conditions(job) == GIVEN_UP
    assert job.events().count("PauseFailed") == 2
    assert status["run"] == run
    goes_on_exactly(job, OUTPUT)

    savepoints.chmod(0o777)
    with watching(job, tmp_path) as watch:
        job.declare(pause={"timeout": "9m"})
        status = job.settled("Paused")
        assert watch.shown == [("Running", "PauseFailed"), ("Operating", ""), ("Paused", "")]
    assert conditions(job) == WELL
    assert status["snapshot"]["origin"] == "Pause"


@pytest.mark.failure(
    what="The snapshot takes longer than `pause.timeout`",
    shown="a TaskManager stands still: Operating, `PauseSlow`; when it goes on: Paused, no warning",
    kept="the one snapshot: Flink is asked once",
)
def test_a_slow_snapshot_is_told_and_asked_for_once(job: Job, tmp_path: Path) -> None:
    runs(job)
    before = set((storage_of(job) / "savepoints").iterdir())
    with watching(job, tmp_path) as watch:
        with frozen(job):
            job.declare(desiredState="Paused", pause={"timeout": "3s"})
            status = job.warned("PauseSlow", seconds=40)
            log = job.cluster.kubectl("logs", *job.pods("jobmanager"))
        settled = job.settled("Paused")
        assert watch.shown == [
            ("Running", ""),
            ("Operating", ""),
            ("Operating", "PauseSlow"),
            ("Paused", ""),
        ]
        assert len(watch.values("operation", "triggerId")) == 1
    assert "3 s" in status["warning"]["message"]
    assert log.count("Triggering stop-with-savepoint") == 1
    assert "PauseSlow" in job.events()
    assert len(set((storage_of(job) / "savepoints").iterdir()) - before) == 1
    assert conditions(job) == WELL
    assert settled["snapshot"]["origin"] == "Pause"


@pytest.mark.failure(
    what="The wish is Running again while the job is being paused",
    shown="and Paused again, within the one snapshot: Operating, then Paused",
    kept="the one snapshot: Flink is asked once",
)
def test_wishes_that_change_during_a_pause_wait_for_it(job: Job, tmp_path: Path) -> None:
    run = runs(job)["run"]
    with watching(job, tmp_path) as watch:
        with frozen(job):
            for wish in ("Paused", "Running", "Paused"):
                job.declare(desiredState=wish)
                under_way(job)
                seen_by_the_operator(job)
        assert job.settled("Paused")["run"] == run
        assert watch.shown == [("Running", ""), ("Operating", ""), ("Paused", "")]
        assert len(watch.values("operation", "triggerId")) == 1
    assert conditions(job) == WELL


@pytest.mark.failure(
    what="The job dies before its snapshot is complete",
    shown="Stopped, `PauseFailed` with the cause, Stalled; no warning once it is to run again",
    kept="the newest checkpoint, with origin Checkpoint: every record exactly once",
)
def test_a_job_that_dies_during_its_pause(job: Job, tmp_path: Path) -> None:
    runs(job)
    with watching(job, tmp_path) as watch:
        with frozen(job) as pids:
            job.declare(desiredState="Paused")
            under_way(job)
            kill(pids)
        status = job.settled("Stopped")
        assert watch.shown == [
            ("Running", ""),
            ("Operating", ""),
            ("Operating", "PauseFailed"),
            ("Stopped", "PauseFailed"),
        ]
    assert conditions(job) == GIVEN_UP
    assert status["snapshot"]["origin"] == "Checkpoint"
    assert "before a snapshot was complete" in status["warning"]["message"]
    assert "no cause" not in status["warning"]["message"]
    assert job.has_no_pods()
    again = runs(job)
    assert again["startedFrom"] == status["snapshot"]["path"]
    assert "warning" not in again


@pytest.mark.failure(
    what="Another operation is under way",
    shown="Stop overtakes a snapshot that Flink is taking: Stopped within a minute, no warning",
    kept="nothing, as wished",
)
def test_stop_overtakes_a_pause(job: Job, tmp_path: Path) -> None:
    runs(job)
    with watching(job, tmp_path) as watch:
        with frozen(job):
            job.declare(desiredState="Paused")
            under_way(job)
            job.declare(desiredState="Stopped")
            wait_for(
                lambda: job.status["operation"]["type"] == "Stop", "Stop has begun", 15, job.told
            )
        status = job.settled("Stopped", seconds=60)
        assert watch.shown == [("Running", ""), ("Operating", ""), ("Stopped", "")]
    assert "snapshot" not in status
    assert conditions(job) == WELL


@pytest.fixture
def restarting(cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job]) -> Job:
    """A job that fails whenever it comes up, and that Flink restarts again and again."""
    trouble = cluster.data / "fails-for-ever"
    spec = numbers(numbered_jar, "restarts", "--fail-when-file", f"/data/{trouble.name}")
    job = cluster.stream_job("restarts", spec)
    gone_afterwards.append(job)
    runs(job, "restarts")
    trouble.touch()
    return job


@pytest.mark.failure(
    what="The job keeps restarting while it is to be paused",
    shown="`JobRestarting`, then `PauseFailed` with the cause after `pause.timeout`, Stalled; with "
    "`UseCheckpoint`: Paused, no warning, event `UsingCheckpoint`",
    kept="the job's pods; then the newest checkpoint: every record exactly once",
)
def test_a_job_that_keeps_restarting_is_not_taken_down_to_be_paused(
    restarting: Job, tmp_path: Path
) -> None:
    job = restarting
    job.warned("JobRestarting", seconds=60)
    with watching(job, tmp_path) as watch:
        job.declare(desiredState="Paused", pause={"timeout": "6s"})
        status = stalled(job)
        assert watch.values("warning", "reason") == ["JobRestarting", "PauseFailed"]
    assert status["state"] in {"Operating", "Running"}
    assert "fails-for-ever" in status["warning"]["message"]
    assert "UseCheckpoint" in status["warning"]["remedy"]
    assert conditions(job) == GIVEN_UP
    assert len(job.pods()) == 2

    with watching(job, tmp_path) as watch:
        job.declare(pause={"timeout": "6s", "onFailure": "UseCheckpoint"})
        status = job.settled("Paused")
        assert watch.shown[-1] == ("Paused", "")
    assert status["snapshot"]["origin"] == "Checkpoint"
    assert "UsingCheckpoint" in job.events()
    assert conditions(job) == WELL

    (job.cluster.data / "fails-for-ever").unlink()
    assert runs(job, "restarts")["startedFrom"] == status["snapshot"]["path"]


@pytest.mark.failure(
    what="A bounded job finishes meanwhile",
    shown="its end lies just behind the snapshot: Paused, no warning; when resumed it comes to its "
    "end: Stopped, reason `JobFinished`, no warning, Ready",
    kept="the snapshot, then every record exactly once",
)
def test_a_bounded_job_that_is_paused_before_its_end(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job], tmp_path: Path
) -> None:
    spec = numbers(numbered_jar, "bounded", "--limit", "6000", **{"heartbeat.timeout": "60 s"})
    job = cluster.stream_job("bounded", spec)
    gone_afterwards.append(job)
    job.settled("Running")
    with watching(job, tmp_path) as watch:
        with frozen(job):
            job.declare(desiredState="Paused")
            under_way(job)
        snapshot = job.settled("Paused")["snapshot"]
        job.declare(desiredState="Running")
        status = job.settled("Stopped")
        states = [state for state, _ in watch.shown]
        assert states[:4] == ["Running", "Operating", "Paused", "Operating"]
        assert states[-1] == "Stopped"
        assert watch.values("warning", "reason") == []
    assert status["startedFrom"] == snapshot["path"]
    assert job.condition("Ready")["status"] == "True"
    assert job.condition("Ready")["reason"] == "JobFinished"
    found = report(cluster.data, "bounded").latest
    assert (found.records, found.exact) == (6000, True)
