"""A JobManager that can't be asked: the state says so, and Flink's HA brings the job back."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cluster.cluster import Body, Cluster, Job
from tests.cluster.processes import frozen, java_of, kill
from tests.cluster.records import numbered_records
from tests.cluster.troubles import (
    JOBMANAGER,
    SMALL,
    conditions,
    container_of,
    delete_by_force,
    evict,
    goes_on,
    is_in,
)
from tests.cluster.watching import Watch, watching

OUTPUT = "unreachable"


@pytest.fixture(scope="module")
def job(cluster: Cluster, numbered_jar: Path) -> Iterator[Job]:
    """A job whose TaskManagers wait for a silent JobManager for as long as the operator needs."""
    spec = numbered_records(numbered_jar, output=OUTPUT, resources=SMALL)
    spec["flinkConfiguration"]["heartbeat.timeout"] = "60 s"
    job = cluster.stream_job("unreachable", spec)
    job.settled("Running")
    yield job
    cluster.kubectl("delete", "streamjob", job.name, "--ignore-not-found", "--wait=true")


def containers(job: Job) -> dict[str, int]:
    """How often the containers of each pod were started anew."""
    pods = [job.cluster.get("pod", name) for name in job.pods()]
    return {
        pod["metadata"]["name"]: pod["status"]["containerStatuses"][0]["restartCount"]
        for pod in pods
    }


def states(watch: Watch) -> list[str]:
    """The states in their order, without the moments in which Flink has named the job again but
    does not run all its tasks yet.
    """
    shown = (state for state in watch.values("state") if state != "Operating")
    return [state for state, _ in itertools.groupby(shown)]


def came_back(job: Job, before: Body, watch: Watch) -> list[str]:
    """The same run goes on, with every record exactly once, and nobody was warned of anything.

    The states that were shown.
    """
    status = job.settled("Running")
    assert (status["run"], status["flink"]["jobId"]) == (before["run"], before["flink"]["jobId"])
    assert watch.values("warning") == []
    goes_on(job, OUTPUT)
    return states(watch)


@pytest.mark.failure(
    what="Flink can't be asked",
    shown="the JobManager's process is held still: Unknown, Ready is False; Running again as soon "
    "as it answers, never a warning",
    kept="the same run in the same containers, every record exactly once",
)
def test_a_jobmanager_that_is_held_still_is_unknown_and_left_alone(
    job: Job, tmp_path: Path
) -> None:
    before, running = job.status, containers(job)
    with watching(job, tmp_path) as watch:
        with frozen(job, JOBMANAGER):
            status = is_in(job, "Unknown", 20)
            assert conditions(status)["Ready"] == "False"
            assert job.condition("Ready")["reason"] == "Unknown"
            assert "warning" not in status
        shown = came_back(job, before, watch)
    # Flink itself elects a leader anew where its JobManager was silent for longer than its lease.
    assert set(shown) == {"Running", "Unknown"}
    assert containers(job) == running, "nobody has started anything anew"


@pytest.mark.failure(
    what="A pod is lost",
    shown="JobManager evicted: Unknown, then Running; never a warning",
    kept="the same run and Flink job id, every record exactly once",
)
def test_an_evicted_jobmanager_comes_back_by_flinks_own_means(job: Job, tmp_path: Path) -> None:
    before, (pod,) = job.status, job.pods(JOBMANAGER)
    with watching(job, tmp_path) as watch:
        evict(job, JOBMANAGER)
        is_in(job, "Unknown", 20)
        shown = came_back(job, before, watch)
    assert shown == ["Running", "Unknown", "Running"]
    assert job.pods(JOBMANAGER) != [pod]


@pytest.mark.failure(
    what="A pod is lost",
    shown="JobManager's process killed, as for want of memory: Unknown, then Running; never a "
    "warning",
    kept="the same pod, run and Flink job id, every record exactly once",
)
def test_a_killed_jobmanager_process_comes_back_by_flinks_own_means(
    job: Job, tmp_path: Path
) -> None:
    before, (pod,) = job.status, job.pods(JOBMANAGER)
    restarts = container_of(job, JOBMANAGER)["restartCount"]
    with watching(job, tmp_path) as watch:
        kill(java_of(job, JOBMANAGER))
        is_in(job, "Unknown", 20)
        shown = came_back(job, before, watch)
    assert shown == ["Running", "Unknown", "Running"]
    after = container_of(job, JOBMANAGER)
    assert job.pods(JOBMANAGER) == [pod]
    assert after["restartCount"] == restarts + 1
    assert after["lastState"]["terminated"]["exitCode"] == 137


@pytest.mark.failure(
    what="HA ConfigMaps deleted by hand",
    shown="Running: they are kept as long as the run needs them; the JobManager killed right "
    "after: Unknown, then Running",
    kept="the same run, every record exactly once: never an empty start",
)
def test_ha_config_maps_outlive_a_deletion_by_hand(job: Job, tmp_path: Path) -> None:
    before, pods = job.status, sorted(job.pods())
    deleted = of_high_availability(job)
    with watching(job, tmp_path) as watch:
        job.cluster.kubectl("delete", "--wait=false", *deleted)
        goes_on(job, OUTPUT)
        assert of_high_availability(job) == deleted
        assert sorted(job.pods()) == pods
        assert watch.values("state") == ["Running"]
        delete_by_force(job, JOBMANAGER)
        is_in(job, "Unknown", 20)
        shown = came_back(job, before, watch)
    assert shown == ["Running", "Unknown", "Running"]
    job.declare(desiredState="Paused")
    job.settled("Paused")
    assert of_high_availability(job) == [], "they go with their run"
    job.declare(desiredState="Running")
    assert job.settled("Running")["run"] == before["run"] + 1
    goes_on(job, OUTPUT)


def of_high_availability(job: Job) -> list[str]:
    """The ConfigMaps in which Flink's HA keeps the leader and the newest checkpoints."""
    found = job.cluster.kubectl(
        "get", "configmaps", "-l", "type=flink-native-kubernetes", "-o=name"
    )
    return [name for name in found.split() if job.status["jobId"] in name]


@pytest.mark.skipif(
    "STREAMJOB_SLOW_SCENARIOS" not in os.environ,
    reason="takes five minutes: 2 of them pass before it is a failure, and kubelet backs off",
)
def test_a_jobmanager_that_cannot_come_up_is_given_up_and_the_job_recovered(
    job: Job, tmp_path: Path
) -> None:
    before = job.status
    storage = job.cluster.data / "streamjob" / job.cluster.namespace
    (metadata,) = (storage / f"{job.name}-{before['jobId']}" / "ha").glob(f"cql-*-{before['run']}")
    with watching(job, tmp_path) as watch:
        metadata.rename(metadata.with_suffix(".away"))
        metadata.touch()
        kill(java_of(job, JOBMANAGER))
        is_in(job, "Unknown", 20)
        is_in(job, "Operating", 360)
        status = job.settled("Running")
        shown = watch.values("state")
    assert shown[:3] == ["Running", "Unknown", "Operating"]
    assert status["run"] == before["run"] + 1
    assert "/chk-" in status["startedFrom"]
    assert "warning" not in status
    assert "JobFailed" in job.events(), job.told()
    goes_on(job, OUTPUT)
