"""Plays the Deployment controller and the kubelet: pods that run, or don't, as a test says.

Works on the fake API server and, through `Host`, on a real one, where no controller is at work.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from streamjob_operator.api import constants
from streamjob_operator.api.run import flink_job_id_of, job_id_of
from streamjob_operator.errors import KubernetesError
from streamjob_operator.kube import kinds
from streamjob_operator.kube.kinds import Kind
from tests.fakes.flink import FakeFlink
from tests.fakes.kube import Cluster

Body = dict[str, Any]

NODE: Final = "node-1"
_POD_NUMBERS: Final = itertools.count(1)


class Host(Protocol):
    """What a controller and a kubelet do to an API server."""

    async def select(self, kind: Kind, namespace: str, labels: str) -> list[Body]:
        """The objects with these labels."""
        ...

    async def make(self, body: Body) -> None:
        """Create an object; one that is there already is no error."""
        ...

    async def set_pod_status(self, namespace: str, name: str, status: Body) -> None:
        """Report on a pod."""
        ...

    async def vanish(self, kind: Kind, namespace: str, name: str) -> None:
        """The object is gone now."""
        ...


class FakeHost(Host):
    """The API server of a stage, past the operator's call counter."""

    def __init__(self, kube: Cluster) -> None:
        self._kube = kube

    async def select(self, kind: Kind, namespace: str, labels: str) -> list[Body]:
        return self._kube.select(kind, namespace, labels)

    async def make(self, body: Body) -> None:
        meta = body["metadata"]
        if self._kube.read(kinds.kind_of(body), meta["namespace"], meta["name"]) is None:
            self._kube.put(body)

    async def set_pod_status(self, namespace: str, name: str, status: Body) -> None:
        self._kube.set_status(kinds.POD, namespace, name, status)

    async def vanish(self, kind: Kind, namespace: str, name: str) -> None:
        self._kube.vanish(kind, namespace, name)


@dataclass(frozen=True)
class Fate:
    """What becomes of a pod. The default: it runs."""

    unschedulable: str = ""
    """Why no node takes it."""
    waiting: str = ""
    """Kubernetes' reason for a container that does not start, such as ImagePullBackOff."""
    message: str = ""
    """What Kubernetes says of it, or the last lines of a container that ended."""
    exit_code: int | None = None
    """The container ends with this code, again and again."""
    reason: str = "Error"
    """Kubernetes' word for that end."""
    ends: int = 1

    @property
    def runs(self) -> bool:
        return self == RUNS


RUNS: Final = Fate()


@dataclass
class Kubelet:
    """All nodes of the cluster, and the Deployment controller. `tick` is one glance of theirs."""

    host: Host
    flink: FakeFlink
    address: Callable[[str, str, int], str]
    """The base URL of a run's JobManager, from the job's name, its namespace and the run."""
    fates: dict[str, Fate] = field(default_factory=dict)
    """By component: jobmanager, taskmanager or inspector."""
    node_answers: bool = True
    """Pods that are to end do end."""
    violations: list[str] = field(default_factory=list)
    """What must never be: pods of two runs at the same time."""

    async def tick(self, namespace: str) -> None:
        """Bring the pods of one namespace to where the Deployments and the fates want them."""
        pods = await self.host.select(kinds.POD, namespace, constants.LABEL_JOB)
        if self.node_answers:
            for pod in [pod for pod in pods if "deletionTimestamp" in pod["metadata"]]:
                await self.host.vanish(kinds.POD, namespace, pod["metadata"]["name"])
                pods.remove(pod)
        deployments = await self.host.select(kinds.DEPLOYMENT, namespace, constants.LABEL_JOB)
        for deployment in deployments:
            pods += await self._scale(deployment, pods)
        inspectors = [pod for pod in pods if _is_inspector(pod)]
        for pod in inspectors:
            await self._inspect(pod)
            pods.remove(pod)
        for pod in pods:
            await self._report(pod)
        self._tell_flink(namespace, pods)

    async def keep_up(self, namespace: str, every_seconds: float = 0.1) -> None:
        """Tick until cancelled, on a server where others write at the same time."""
        while True:
            with suppress(KubernetesError):
                await self.tick(namespace)
            await asyncio.sleep(every_seconds)

    async def _scale(self, deployment: Body, pods: list[Body]) -> list[Body]:
        """Make the pods that are missing; one whose fate is another now is made anew."""
        meta, spec = deployment["metadata"], deployment["spec"]
        labels = spec["template"]["metadata"]["labels"]
        there = [pod for pod in pods if _has(pod, labels)]
        made = []
        for _ in range(spec["replicas"] - len(there)):
            pod = self._pod(deployment)
            await self.host.make(pod)
            made.append(pod)
        job, run = labels[constants.LABEL_JOB], labels[constants.LABEL_RUN]
        mine = [pod for pod in pods if _has(pod, {constants.LABEL_JOB: job})]
        others = [pod for pod in mine if not _is_inspector(pod)]
        if made and any(not _has(pod, {constants.LABEL_RUN: run}) for pod in others):
            self.violations.append(f"{meta['name']}: pods of another run are still there")
        return made

    def _pod(self, deployment: Body) -> Body:
        meta, template = deployment["metadata"], deployment["spec"]["template"]
        component = template["metadata"]["labels"][constants.LABEL_COMPONENT]
        spec = dict(template["spec"])
        if not self._fate(component).unschedulable:
            spec["nodeName"] = NODE
        owner = {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": meta["name"],
            "uid": meta["uid"],
        }
        about = {
            "name": f"{meta['name']}-{next(_POD_NUMBERS):05}",
            "namespace": meta["namespace"],
            "labels": template["metadata"]["labels"],
            "ownerReferences": [owner],
        }
        return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec}

    async def _report(self, pod: Body) -> None:
        meta = pod["metadata"]
        fate = self._fate(meta["labels"][constants.LABEL_COMPONENT])
        if bool(fate.unschedulable) == ("nodeName" in pod["spec"]):
            # A pod is bound once; one with another fate takes its place.
            await self.host.vanish(kinds.POD, meta["namespace"], meta["name"])
            return
        status = _status(fate)
        if (pod.get("status") or {}).get("containerStatuses") != status.get(
            "containerStatuses"
        ) or ("conditions" in status and "status" not in pod):
            await self.host.set_pod_status(meta["namespace"], meta["name"], status)
        if meta["labels"][constants.LABEL_COMPONENT] == constants.JOBMANAGER and fate.runs:
            await self._lead(pod)

    async def _inspect(self, pod: Body) -> None:
        """The pod that looks into a run's storage: tells what lies there, or has another fate."""
        meta = pod["metadata"]
        fate = self._fate(constants.INSPECTOR)
        if fate.unschedulable or fate.waiting:
            await self._set_status(pod, _status(fate))
            return
        address = self.address(
            meta["labels"][constants.LABEL_JOB],
            meta["namespace"],
            int(meta["labels"][constants.LABEL_RUN]),
        )
        directories = tuple(_arguments(pod)[_arguments(pod).index("StateInspector") + 2 :])
        told = fate.message or self.flink.inspected(address, directories)
        ended = {"exitCode": fate.exit_code or 0, "message": told}
        container = {"name": constants.MAIN_CONTAINER, "state": {"terminated": ended}}
        phase = "Failed" if fate.exit_code else "Succeeded"
        await self._set_status(pod, {"phase": phase, "containerStatuses": [container]})

    async def _set_status(self, pod: Body, status: Body) -> None:
        if pod.get("status") != status:
            meta = pod["metadata"]
            await self.host.set_pod_status(meta["namespace"], meta["name"], status)

    async def _lead(self, pod: Body) -> None:
        """What Flink's HA leaves in the cluster."""
        meta = pod["metadata"]
        owner = await self._owner(pod)
        if owner is None:
            return
        run = int(meta["labels"][constants.LABEL_RUN])
        cluster = f"{job_id_of(owner)}-{run}"
        labels = {
            "app": cluster,
            "configmap-type": "high-availability",
            "type": "flink-native-kubernetes",
        }
        # As Flink's KubernetesHaServices names them.
        for part in ("cluster", flink_job_id_of(owner, run)):
            name = f"{cluster}-{part}-config-map"
            about = {"name": name, "namespace": meta["namespace"], "labels": labels}
            await self.host.make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": about})

    async def _owner(self, pod: Body) -> str | None:
        """The uid of the StreamJob that the pod is of."""
        meta = pod["metadata"]
        labels = f"{constants.LABEL_JOB}={meta['labels'][constants.LABEL_JOB]}"
        for deployment in await self.host.select(kinds.DEPLOYMENT, meta["namespace"], labels):
            return str(deployment["metadata"]["ownerReferences"][0]["uid"])
        return None

    def _fate(self, component: str) -> Fate:
        return self.fates.get(component, RUNS)

    def _tell_flink(self, namespace: str, pods: list[Body]) -> None:
        runs: dict[tuple[str, int], dict[str, Body]] = {}
        for pod in pods:
            labels = pod["metadata"]["labels"]
            component = labels[constants.LABEL_COMPONENT]
            if self._fate(component).runs:
                job = labels[constants.LABEL_JOB]
                runs.setdefault((job, int(labels[constants.LABEL_RUN])), {})[component] = pod
        running = {self.address(name, namespace, run) for name, run in runs}
        for address, known in self.flink.jobs_by_address.items():
            if f".{namespace}." in address and address not in running:
                known.reachable = False
                known.jobmanager = None
        for (name, run), components in runs.items():
            jobmanager = components.get(constants.JOBMANAGER)
            arguments = _arguments(jobmanager) if jobmanager is not None else []
            self.flink.pods_run(
                self.address(name, namespace, run),
                _option(arguments, "--job-id") or "",
                _option(arguments, "--fromSavepoint"),
                jobmanager=jobmanager["metadata"]["name"] if jobmanager is not None else None,
                all_run=len(components) == len({constants.JOBMANAGER, constants.TASKMANAGER}),
            )


def _has(pod: Body, labels: dict[str, str]) -> bool:
    there: dict[str, str] = pod["metadata"]["labels"]
    return labels.items() <= there.items()


def _is_inspector(pod: Body) -> bool:
    return _has(pod, {constants.LABEL_COMPONENT: constants.INSPECTOR})


def _arguments(pod: Body) -> list[str]:
    containers = pod["spec"]["containers"]
    main = next(each for each in containers if each["name"] == constants.MAIN_CONTAINER)
    return list(main["args"])


def _option(arguments: list[str], name: str) -> str | None:
    return arguments[arguments.index(name) + 1] if name in arguments else None


def _status(fate: Fate) -> Body:
    """A pod's status as the kubelet, or the scheduler, writes it."""
    if fate.unschedulable:
        unscheduled = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": fate.unschedulable,
        }
        return {"phase": "Pending", "conditions": [unscheduled]}
    container: Body = {
        "name": constants.MAIN_CONTAINER,
        "image": "flink",
        "imageID": "flink",
        "ready": fate.runs,
        "restartCount": 0,
        "lastState": {},
    }
    if fate.exit_code is not None:
        ended = {"exitCode": fate.exit_code, "reason": fate.reason, "message": fate.message}
        container["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
        container["lastState"] = {"terminated": ended}
        container["restartCount"] = fate.ends
    elif fate.waiting:
        container["state"] = {"waiting": {"reason": fate.waiting, "message": fate.message}}
    else:
        container["state"] = {"running": {"startedAt": "2026-03-02T09:00:00Z"}}
    phase = "Pending" if fate.waiting else "Running"
    return {"phase": phase, "containerStatuses": [container]}
