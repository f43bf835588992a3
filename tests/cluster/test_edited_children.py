"""Somebody edits the objects of a running job by hand; the job outlives it, with every record."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cluster.cluster import Body, Cluster, Job, wait_for
from tests.cluster.records import goes_on_exactly, numbered_records

OUTPUT = "edited"
MAIN = "flink-main-container"


@pytest.mark.failure(
    what="A child object is edited by hand",
    shown="Running again, events `PutBack` with the fields",
    kept="the same run, every record exactly once; the JobManager is not restarted for an edit of"
    " the TaskManagers",
)
def test_edited_deployments_are_put_back_and_the_job_goes_on(
    cluster: Cluster, numbered_jar: Path, gone_afterwards: list[Job]
) -> None:
    small = {"jobManager": {"cu": "0.25"}, "taskManager": {"cu": "0.25", "slots": 1}}
    spec = numbered_records(numbered_jar, output=OUTPUT, parallelism=1, resources=small)
    job = cluster.stream_job("edited", spec)
    gone_afterwards.append(job)
    job.settled("Running")
    goes_on_exactly(job, OUTPUT)
    jobmanager, taskmanagers = "deployment/edited-jm-1", "deployment/edited-tm-1"
    untouched, jobmanagers = spec_of(cluster, jobmanager), job.pods("jobmanager")
    before = spec_of(cluster, taskmanagers)

    cluster.kubectl("scale", taskmanagers, "--replicas=0")
    put_back(job, taskmanagers, before, "spec.replicas")
    cluster.kubectl("set", "image", taskmanagers, f"{MAIN}=flink:none-such")
    put_back(job, taskmanagers, before, f"containers[{MAIN}].image")
    cluster.kubectl("set", "selector", "service/edited-jm-1", "app=another")
    wait_for(
        lambda: "app" not in spec_of(cluster, "service/edited-jm-1")["selector"],
        "the Service has its selector back",
        15,
        job.told,
    )

    wait_for(lambda: runs(job), "the job runs again", 120, job.told)
    goes_on_exactly(job, OUTPUT)
    assert job.status["run"] == 1
    assert "warning" not in job.status
    assert (spec_of(cluster, jobmanager), job.pods("jobmanager")) == (untouched, jobmanagers)


def put_back(job: Job, name: str, before: Body, field: str) -> None:
    """The Deployment is as it was, and an event tells of the field."""
    wait_for(lambda: spec_of(job.cluster, name) == before, f"{name} is put back", 15, job.told)
    wait_for(lambda: any(field in text for text in told(job)), f"an event for {field}", 5, job.told)


def told(job: Job) -> list[str]:
    """The texts of the events `PutBack`."""
    selector = f"involvedObject.name={job.name},reason=PutBack"
    found = job.cluster.get("events", "--field-selector", selector)["items"]
    return [event["message"] for event in found]


def runs(job: Job) -> bool:
    """All tasks run, and the operator says so."""
    status = job.status
    return status["state"] == "Running" and "operation" not in status


def spec_of(cluster: Cluster, name: str) -> Body:
    """What is wished of an object."""
    spec: Body = cluster.get(name)["spec"]
    return spec
