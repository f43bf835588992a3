"""The main job: a SQL and a JAR job run, pause, resume exactly, stop, and run afresh."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster, Job
from tests.cluster.records import committed_ids, numbered_records, report, run_that_is

SCRIPT = """
CREATE TABLE numbers (id BIGINT, half AS id / 2) WITH (
  'connector' = 'datagen', 'rows-per-second' = '200',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '200000'
);
CREATE TABLE lines (id BIGINT, half BIGINT) WITH (
  'connector' = 'filesystem', 'path' = 'file:///data/lines', 'format' = 'csv',
  'sink.rolling-policy.rollover-interval' = '1 s', 'sink.rolling-policy.check-interval' = '1 s'
);
INSERT INTO lines SELECT id, half FROM numbers;
"""


@pytest.fixture(scope="module")
def jobs(cluster: Cluster, numbered_jar: Path) -> tuple[Job, Job]:
    """Both run."""
    sql = cluster.stream_job(
        "lines",
        {
            "sql": {"script": SCRIPT},
            "flinkConfiguration": {"execution.checkpointing.interval": "2 s"},
        },
    )
    jar = cluster.stream_job("numbers", numbered_records(numbered_jar))
    return sql, jar


def test_both_jobs_run_with_every_field_of_the_status_set(jobs: tuple[Job, Job]) -> None:
    for job, kind in zip(jobs, ("SQL", "JAR"), strict=True):
        status = job.settled("Running")
        assert status["jobId"].startswith("cql-")
        assert status["type"] == kind
        assert status["run"] == 1
        assert status["startedFrom"] == "Fresh"
        assert status["runningCU"] == "0.2"
        assert (status["region"], status["zone"]) == ("local-1", "local-1-a")
        assert status["flink"]["jobState"] == "RUNNING"
        assert status["flink"]["version"] == "2.3.0"
        assert "warning" not in status
        conditions = {known["type"]: known["status"] for known in status["conditions"]}
        assert conditions == {
            "Ready": "True",
            "Reconciling": "False",
            "Stalled": "False",
            "Running": "True",
            "LastOperationSucceeded": "True",
            "SnapshotAvailable": "False",
        }
        assert job.events()[:2] == ["Starting", "Started"]
        job.cluster.kubectl(
            "wait", f"streamjob/{job.name}", "--for=condition=Ready", "--timeout=5s"
        )


def test_a_healthy_idle_job_causes_no_write(jobs: tuple[Job, Job]) -> None:
    watching = ("get", "streamjobs", "--watch", "--output-watch-events")
    seen = jobs[0].cluster.kubectl(*watching, "--request-timeout=20s", check=False)
    assert seen.count("ADDED") == len(jobs)
    assert "MODIFIED" not in seen


def test_pause_ends_the_pods_and_keeps_a_snapshot(jobs: tuple[Job, Job]) -> None:
    for job in jobs:
        job.declare(desiredState="Paused")
    for job in jobs:
        status = job.settled("Paused")
        assert status["snapshot"]["id"].startswith("svp-")
        assert status["snapshot"]["origin"] == "Pause"
        assert status["runningCU"] == "0"
        assert status["stopTime"] >= status["startTime"]
        assert job.has_no_pods()
        assert job.condition("Ready")["status"] == "True"
        saved = job.cluster.data / status["snapshot"]["path"].removeprefix("file:/data/")
        assert (saved / "_metadata").is_file()


def test_resume_goes_on_from_exactly_that_snapshot(jobs: tuple[Job, Job]) -> None:
    data = jobs[0].cluster.data
    paused_at = max(committed_ids(data / "lines"))
    snapshots = [job.status["snapshot"]["path"] for job in jobs]
    for job in jobs:
        job.declare(desiredState="Running")
    for job, snapshot in zip(jobs, snapshots, strict=True):
        status = job.settled("Running")
        assert status["run"] == 2
        assert status["startedFrom"] == snapshot
        assert status["accumulatedSeconds"] > 0
    run_that_is(data, lambda: max(committed_ids(data / "lines")) > paused_at + 500)
    ids = committed_ids(data / "lines")
    assert sorted(ids) == list(range(1, max(ids) + 1)), "records were lost"
    assert set(ids.values()) == {1}, "records were doubled"
    found = report(data)
    assert (found.runs[-1].lost, found.runs[-1].doubled, found.runs[-1].misnumbered) == (0, 0, 0)


def test_stop_discards_the_state(jobs: tuple[Job, Job]) -> None:
    job = jobs[1]
    job.declare(desiredState="Stopped")
    status = job.settled("Stopped")
    assert "snapshot" not in status
    assert status["snapshots"], "the list stays as history"
    assert job.condition("SnapshotAvailable")["status"] == "False"
    assert job.has_no_pods()


def test_run_starts_afresh_and_counts_from_one(jobs: tuple[Job, Job]) -> None:
    job = jobs[1]
    job.declare(desiredState="Running")
    status = job.settled("Running")
    assert (status["run"], status["startedFrom"]) == (3, "Fresh")
    run_that_is(job.cluster.data, lambda: len(report(job.cluster.data).runs) == 2)
    assert report(job.cluster.data).exact


def test_deletion_leaves_nothing(jobs: tuple[Job, Job]) -> None:
    cluster = jobs[0].cluster
    for job in jobs:
        cluster.kubectl("delete", "streamjob", job.name, "--wait=true", "--timeout=100s")
        assert job.has_no_pods()
    for kind in ("deployments", "services", "serviceaccounts", "roles", "configmaps"):
        found = cluster.get(kind)["items"]
        left = [body["metadata"]["name"] for body in found]
        mine = [name for name in left if name.startswith(("lines", "numbers", "cql-"))]
        owned = [
            body["metadata"]["name"] for body in found if "ownerReferences" in body["metadata"]
        ]
        # What the garbage collector has yet to take is owned by what is gone.
        assert set(mine) <= set(owned), kind
