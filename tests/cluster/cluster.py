"""What scenarios need of the cluster: kubectl, jobs to watch, and their committed records."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml

Body = dict[str, Any]

START_SECONDS = 240
"""A start on a busy machine of two cores; on an idle one it takes a tenth of this."""


class NotYetError(AssertionError):
    """A condition did not come true in time; the text says what was seen instead."""


T = TypeVar("T")


def wait_for(look: Callable[[], T | None], what: str, seconds: float, told: Callable[[], str]) -> T:
    """The first answer that is not None or False; raises NotYetError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        answer = look()
        if answer is not None and answer is not False:
            return answer
        if time.monotonic() > deadline:
            raise NotYetError(f"not within {seconds:.0f} s: {what}\n{told()}")
        time.sleep(0.5)


@dataclass(frozen=True)
class Cluster:
    """A cluster through kubectl, with the rights of an administrator."""

    kubeconfig: Path
    namespace: str
    data: Path
    """A directory of the node that the jobs' pods see as /data."""

    def kubectl(self, *args: str, given: str | None = None, check: bool = True) -> str:
        """Run kubectl in the scenarios' namespace, unless another is named; its output."""
        elsewhere = {"-n", "-k", "namespace"} & set(args)
        namespace = [] if elsewhere else ["-n", self.namespace]
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *namespace, *args]
        done = subprocess.run(
            command, input=given, capture_output=True, text=True, timeout=120, check=False
        )
        if check and done.returncode:
            raise AssertionError(f"kubectl {' '.join(args)}: {done.stderr}")
        return done.stdout

    def get(self, *what: str) -> Body:
        """An object or a list, as a dictionary."""
        found = json.loads(self.kubectl("get", *what, "-o", "json"))
        assert isinstance(found, dict)
        return found

    def apply(self, body: Body) -> None:
        """kubectl apply."""
        self.kubectl("apply", "-f", "-", given=yaml.safe_dump(body))

    def stream_job(self, name: str, spec: Body) -> Job:
        """A StreamJob is declared; it shares the node's directory as /data."""
        job = Job(self, name, spec)
        job.declare()
        return job


@dataclass
class Job:
    """One StreamJob of a scenario."""

    cluster: Cluster
    name: str
    spec: Body
    storage: str = field(default="file:///data/streamjob")

    def declare(self, **changes: Any) -> None:
        """Apply the resource, with some fields of its spec changed for good."""
        self.spec = {**self.spec, **changes}
        self.cluster.apply(
            {
                "apiVersion": "streamjob.dev/v1alpha1",
                "kind": "StreamJob",
                "metadata": {"name": self.name, "namespace": self.cluster.namespace},
                "spec": self._complete(self.spec),
            }
        )

    def _complete(self, spec: Body) -> Body:
        small = {"jobManager": {"cu": "0.1"}, "taskManager": {"cu": "0.1", "slots": 2}}
        volume = {"name": "data", "hostPath": {"path": str(self.cluster.data), "type": "Directory"}}
        main = {
            "name": "flink-main-container",
            "volumeMounts": [{"name": "data", "mountPath": "/data"}],
        }
        return {
            "resources": small,
            "storage": {"uri": self.storage},
            "podTemplate": {"spec": {"containers": [main], "volumes": [volume]}},
            **spec,
        }

    @property
    def body(self) -> Body:
        """The resource as it is now."""
        return self.cluster.get("streamjob", self.name)

    @property
    def status(self) -> Body:
        """Its status; empty before the first visit."""
        status = self.body.get("status", {})
        assert isinstance(status, dict)
        return status

    def condition(self, kind: str) -> Body:
        """One condition of the current status."""
        found = [known for known in self.status.get("conditions", []) if known["type"] == kind]
        return dict(found[0]) if found else {}

    def pods(self, component: str | None = None) -> list[str]:
        """Names of the job's pods."""
        selector = f"streamjob.dev/job={self.name}"
        if component is not None:
            selector += f",app.kubernetes.io/component={component}"
        found = self.cluster.get("pods", "-l", selector)["items"]
        return [pod["metadata"]["name"] for pod in found]

    def has_no_pods(self) -> bool:
        """No pod is left once the node has cleared away what has ended already."""
        return bool(wait_for(lambda: not self.pods(), f"{self.name} has no pods", 15, self.told))

    def events(self) -> list[str]:
        """Reasons of the events on the resource, oldest first."""
        selector = f"involvedObject.name={self.name},involvedObject.kind=StreamJob"
        found = self.cluster.get("events", "--field-selector", selector)["items"]
        found.sort(
            key=lambda event: (event["firstTimestamp"], event["metadata"]["resourceVersion"])
        )
        return [event["reason"] for event in found]

    def settled(self, state: str, *, seconds: float = START_SECONDS) -> Body:
        """The status once the job is in this state for the declared spec, and at rest."""

        def look() -> Body | None:
            body = self.body
            status: Body = body.get("status", {})
            current = status.get("observedGeneration") == body["metadata"]["generation"]
            there = status.get("state") == state and "operation" not in status
            return status if current and there else None

        return wait_for(look, f"{self.name} is {state}", seconds, self.told)

    def warned(self, reason: str, *, seconds: float = START_SECONDS) -> Body:
        """The status once this warning stands in it."""

        def look() -> Body | None:
            status = self.status
            return status if status.get("warning", {}).get("reason") == reason else None

        return wait_for(look, f"{self.name} warns of {reason}", seconds, self.told)

    def told(self) -> str:
        """All that helps to see why a scenario failed."""
        selector = f"streamjob.dev/job={self.name}"
        pods = self.cluster.kubectl("get", "pods", "-l", selector, check=False)
        return f"{yaml.safe_dump(self.status)}\nevents: {self.events()}\n{pods}"
