"""Storage that fills up, goes away, or has lost or damaged a snapshot: on real Flink."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cluster.cluster import Body, Cluster, Job, wait_for
from tests.cluster.records import committed_ids, run_that_is
from tests.cluster.watching import GIVEN_UP, WELL, conditions, watching

SOURCE = """
CREATE TABLE numbers (id BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '50',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '50000'
);
"""
SINK = """
CREATE TABLE kept (id BIGINT) WITH (
  'connector' = 'filesystem', 'path' = 'file:///data/stored', 'format' = 'csv',
  'sink.rolling-policy.rollover-interval' = '1 s', 'sink.rolling-policy.check-interval' = '1 s'
);
INSERT INTO kept SELECT id FROM numbers;
"""
ANOTHER_SINK = """
CREATE TABLE nothing (id BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO nothing SELECT id FROM numbers;
"""
SEEN_SECONDS = 150
"""Checkpoints are looked at once a minute while they are well, on a busy machine later."""
SMALL = {"jobManager": {"cu": "0.2"}, "taskManager": {"cu": "0.2", "slots": 1}}


@pytest.fixture(scope="module")
def volume(cluster: Cluster) -> Iterator[Path]:
    """A small volume of the node's, that can fill up without harm to anybody else."""
    directory = cluster.data / "small"
    directory.mkdir()
    options = ["-t", "tmpfs", "-o", "size=32m,mode=0777", "tmpfs"]
    subprocess.run(["mount", *options, directory], check=True)
    yield directory
    subprocess.run(["umount", "--lazy", directory], check=True)


@pytest.fixture(scope="module")
def job(cluster: Cluster, volume: Path) -> Iterator[Job]:
    """A SQL job whose storage is that volume, and whose output is not."""
    spec = {
        "sql": {"script": SOURCE + SINK},
        "resources": SMALL,
        "flinkConfiguration": {"execution.checkpointing.interval": "1 s"},
        "storage": {"uri": f"file:///data/{volume.name}"},
    }
    job = cluster.stream_job("storage", spec)
    yield job
    cluster.kubectl("delete", "streamjob", job.name, "--ignore-not-found", "--wait=true")


def exact(job: Job) -> None:
    """More is committed than before, and all of it exactly once."""
    directory = job.cluster.data / "stored"

    def whole(more_than: int) -> bool:
        ids = committed_ids(directory)
        highest = max(ids, default=0)
        return highest > more_than and sorted(ids.elements()) == list(range(1, highest + 1))

    before = max(committed_ids(directory), default=0)
    run_that_is(job.cluster.data, lambda: whole(before + 50), seconds=60)


@contextmanager
def full(volume: Path) -> Iterator[None]:
    """Not a byte more fits while the block runs."""
    ballast = volume / "ballast"
    subprocess.run(
        ["dd", "if=/dev/zero", f"of={ballast}", "bs=64k"], capture_output=True, check=False
    )
    try:
        yield
    finally:
        ballast.unlink()


def healed(job: Job) -> Body:
    """The status once the warning is gone."""

    def look() -> Body | None:
        status = job.status
        return None if "warning" in status else status

    return wait_for(look, "the warning is gone", SEEN_SECONDS, job.told)


@pytest.mark.failure(
    what="Checkpoints fail again and again",
    shown="the storage is full: Running, `CheckpointsFailing`; no warning once there is room again",
    kept="the same run without a restart; every record exactly once",
)
def test_storage_that_fills_up_while_the_job_runs(job: Job, volume: Path, tmp_path: Path) -> None:
    run = job.settled("Running")["run"]
    exact(job)
    with watching(job, tmp_path) as watch:
        with full(volume):
            warning = job.warned("CheckpointsFailing", seconds=SEEN_SECONDS)["warning"]
        healed(job)
        assert watch.shown == [("Running", ""), ("Running", "CheckpointsFailing"), ("Running", "")]
        assert watch.values("run") == [run]
        assert watch.values("flink", "restarts") == [0]
    assert "checkpoints in a row failed" in warning["message"]
    assert "full" in warning["remedy"]
    assert job.events().count("CheckpointsFailing") == 1
    assert conditions(job) == WELL
    exact(job)


@pytest.fixture(scope="module")
def paused(job: Job) -> Path:
    """The job is paused; where its snapshot lies on the node."""
    job.settled("Running")
    exact(job)
    job.declare(desiredState="Paused")
    status = job.settled("Paused")
    path: str = status["snapshot"]["path"]
    return job.cluster.data / path.removeprefix("file:/data/")


def resume_fails(job: Job, directory: Path, **changes: object) -> Body:
    """The warning of a job that can't go on from its snapshot, and stays Paused with it."""
    snapshot = job.status["snapshot"]
    before = job.events().count("ResumeFailed")
    with watching(job, directory) as watch:
        job.declare(desiredState="Running", **changes)
        settled = job.settled("Paused")
        begun = watch.shown.index(("Operating", ""))
        assert watch.shown[begun:] == [
            ("Operating", ""),
            ("Operating", "ResumeFailed"),
            ("Paused", "ResumeFailed"),
        ]
    assert settled["snapshot"] == snapshot
    assert conditions(job) == GIVEN_UP
    assert job.condition("SnapshotAvailable")["status"] == "True"
    assert job.events().count("ResumeFailed") == before + 1
    assert job.has_no_pods()
    warning = settled["warning"]
    assert isinstance(warning, dict)
    return warning


@pytest.mark.failure(
    what="The snapshot to resume from is missing",
    shown="Paused, `ResumeFailed` with the path, Stalled",
    kept="the reference to the snapshot; the job goes on from it once it is back",
)
def test_a_snapshot_that_is_missing(job: Job, paused: Path, tmp_path: Path) -> None:
    away = paused.rename(paused.with_name("away"))
    warning = resume_fails(job, tmp_path)
    away.rename(paused)
    assert "Cannot find" in warning["message"]
    assert paused.name in warning["message"]
    assert "spec.restore.snapshot" in warning["remedy"]


@pytest.mark.failure(
    what="The snapshot to resume from can't be used",
    shown="cut off: Paused, `ResumeFailed` with the cause, Stalled",
    kept="the reference to the snapshot; the job goes on from it once it is whole",
)
def test_a_snapshot_that_is_cut_off(job: Job, paused: Path, tmp_path: Path) -> None:
    metadata = paused / "_metadata"
    whole = metadata.read_bytes()
    metadata.write_bytes(whole[: len(whole) // 2])
    warning = resume_fails(job, tmp_path, restartNonce="cut off")
    metadata.write_bytes(whole)
    assert "The snapshot could not be restored" in warning["message"]
    assert "damaged" in warning["remedy"]


@pytest.mark.failure(
    what="The snapshot to resume from can't be used",
    shown="the script lacks what has state in it: Paused, `ResumeFailed` with the cause, Stalled; "
    "no warning once the script is put back",
    kept="the snapshot: the job goes on from it, every record exactly once",
)
def test_a_snapshot_that_does_not_fit_the_script(job: Job, paused: Path, tmp_path: Path) -> None:
    warning = resume_fails(job, tmp_path, sql={"script": SOURCE + ANOTHER_SINK})
    assert "Cannot map" in warning["message"]
    assert "spec.restore.allowNonRestoredState" in warning["remedy"]

    job.declare(sql={"script": SOURCE + SINK})
    status = job.settled("Running")
    assert status["startedFrom"].endswith(paused.name)
    assert "warning" not in status
    assert conditions(job) == WELL
    exact(job)
