"""What scenarios of lost pods share: how pods are taken away, and what must hold afterwards."""

from __future__ import annotations

import json
import subprocess

from tests.cluster.cluster import Body, Job, wait_for
from tests.cluster.records import goes_on_exactly, report

SMALL = {"jobManager": {"cu": "0.25"}, "taskManager": {"cu": "0.25", "slots": 2}}
JOBMANAGER, TASKMANAGER = "jobmanager", "taskmanager"


def evict(job: Job, component: str) -> None:
    """Ask the Eviction API for each pod of a component, as draining a node does."""
    namespace = job.cluster.namespace
    for pod in job.pods(component):
        body = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": pod, "namespace": namespace},
        }
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction"
        job.cluster.kubectl("create", "--raw", path, "-f", "-", given=json.dumps(body))


def delete_by_force(job: Job, component: str) -> None:
    """The pods of a component are gone at once, as after a crash of their node."""
    selector = f"streamjob.dev/job={job.name},app.kubernetes.io/component={component}"
    job.cluster.kubectl("delete", "pods", "-l", selector, "--grace-period=0", "--force")


def container_of(job: Job, component: str) -> Body:
    """The status of the main container of a component's only pod."""
    (pod,) = job.pods(component)
    found: Body = job.cluster.get("pod", pod)["status"]["containerStatuses"][0]
    return found


def is_in(job: Job, state: str, seconds: float) -> Body:
    """The status as soon as the state is this one, whatever else is under way."""

    def look() -> Body | None:
        status = job.status
        return status if status.get("state") == state else None

    return wait_for(look, f"{job.name} is {state}", seconds, job.told)


def conditions(status: Body) -> dict[str, str]:
    """The conditions by type."""
    return {known["type"]: known["status"] for known in status["conditions"]}


def given_up(status: Body) -> bool:
    """The conditions of a failed operation that is not tried again."""
    expected = {"Ready": "False", "Stalled": "True", "LastOperationSucceeded": "False"}
    return expected.items() <= conditions(status).items()


def event_of(job: Job, reason: str) -> str:
    """The text of the newest event with this reason."""
    selector = f"involvedObject.name={job.name},involvedObject.kind=StreamJob,reason={reason}"

    def look() -> str | None:
        found = job.cluster.get("events", "--field-selector", selector)["items"]
        found.sort(key=lambda event: int(event["metadata"]["resourceVersion"]))
        return str(found[-1]["message"]) if found else None

    return wait_for(look, f"an event {reason}", 10, job.told)


def goes_on(job: Job, output: str) -> None:
    """More is committed than before, all of it exactly once, and no start was ever an empty one."""
    goes_on_exactly(job, output)
    assert len(report(job.cluster.data, output).runs) == 1, "an empty start draws another name"


def run_command(*command: str) -> str:
    """The output of a command on this machine, which has to succeed within half a minute."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout
