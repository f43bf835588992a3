"""The real operator, in this process, on a real API server: only Flink and the nodes are played."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import client as aio
from kubernetes.aio import config

from streamjob_operator.api.status import StreamJobStatus
from streamjob_operator.errors import Conflict, NotFound
from streamjob_operator.handlers.running import serve
from streamjob_operator.kube import kinds
from streamjob_operator.kube.client import AioKubeClient, Body
from streamjob_operator.kube.kinds import Kind
from streamjob_operator.runtime.clock import SystemClock
from streamjob_operator.settings import Settings
from streamjob_operator.world import World
from tests.fakes.calls import Calls
from tests.fakes.flink import FakeFlink
from tests.fakes.flink_job import FakeJob
from tests.fakes.kubelet import Host, Kubelet

EVENT: Final = Kind("v1", "Event", "events")

_MERGE: Final = "application/merge-patch+json"


class Administrator(AioKubeClient, Host):
    """Everybody but the operator: users, controllers and kubelets."""

    async def select(self, kind: Kind, namespace: str, labels: str) -> list[Body]:
        found = await self.find(kind, namespace, labels)
        # Objects in a list come without their kind.
        return [{"apiVersion": kind.api_version, "kind": kind.name} | body for body in found]

    async def make(self, body: Body) -> None:
        path = kinds.kind_of(body).path(body["metadata"]["namespace"])
        with suppress(Conflict):
            await self._call("POST", path, body=body)

    async def set_pod_status(self, namespace: str, name: str, status: Body) -> None:
        path = kinds.POD.path(namespace, name) + "/status"
        await self._call("PATCH", path, body={"status": status}, content_type=_MERGE)

    async def vanish(self, kind: Kind, namespace: str, name: str) -> None:
        options = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
        with suppress(NotFound):
            await self._call("DELETE", kind.path(namespace, name), body=options)

    async def patch(self, kind: Kind, namespace: str, name: str, body: Body) -> None:
        """Change an object as `kubectl patch --type=merge` does."""
        await self._call("PATCH", kind.path(namespace, name), body=body, content_type=_MERGE)

    async def events(self, namespace: str, name: str) -> list[str]:
        """Reasons of the events on a StreamJob, oldest first."""
        found = await self.find(EVENT, namespace, "")
        found.sort(key=lambda each: int(each["metadata"]["resourceVersion"]))
        return [each["reason"] for each in found if each["involvedObject"]["name"] == name]


async def connect(
    kubeconfig: Path,
    kind: type[AioKubeClient] = Administrator,
    *,
    url: str | None = None,
    timeout_seconds: float = 10,
) -> Any:
    """A client with the rights of a kubeconfig; `url`: of another server than it names."""
    configuration = aio.Configuration()
    await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
    if url is not None:
        configuration.host = url
    return kind(aio.ApiClient(configuration), timeout_seconds)


def run_at_once(job: FakeJob) -> None:
    """A program that is up, with a checkpoint, in no time."""
    job.run()
    job.changed_at -= 1
    job.checkpoint()


@dataclass
class Live:
    """A namespace of a real API server, its nodes and its Flinks."""

    namespace: str
    administrator: Administrator
    flink: FakeFlink
    calls: Calls
    world: World

    @asynccontextmanager
    async def operator(self) -> AsyncIterator[None]:
        """The operator runs, until it is stopped as Kubernetes stops it."""
        ready, stop = asyncio.Event(), asyncio.Event()
        task = asyncio.create_task(serve(self.world, ready=ready, stop=stop))
        try:
            async with asyncio.timeout(30):
                await ready.wait()
            yield
        finally:
            stop.set()
            await asyncio.wait_for(task, 30)

    async def create(self, name: str, **spec: Any) -> None:
        """A small JAR job, but for the fields given."""
        declared = {
            "jar": {"uri": "local:///opt/jobs/orders.jar", "mainClass": "com.acme.Orders"},
            "storage": {"uri": "file:///state"},
        }
        await self.administrator.make(
            {
                "apiVersion": "streamjob.dev/v1alpha1",
                "kind": "StreamJob",
                "metadata": {"name": name, "namespace": self.namespace},
                "spec": declared | spec,
            }
        )

    async def edit(self, name: str, **spec: Any) -> None:
        """Change fields of the spec."""
        body = {"spec": spec}
        await self.administrator.patch(kinds.STREAM_JOB, self.namespace, name, body)

    async def read(self, name: str) -> Body:
        """The StreamJob."""
        return await self.administrator.get(kinds.STREAM_JOB, self.namespace, name)

    async def status(self, name: str) -> StreamJobStatus:
        """What the user reads."""
        body = await self.read(name)
        return StreamJobStatus.model_validate(body.get("status") or {})

    async def until(
        self, name: str, happened: Callable[[StreamJobStatus], object], seconds: float = 30
    ) -> float:
        """Wait for a status. Returns after how many seconds it was seen."""
        begun = time.monotonic()
        status = await self.status(name)
        while not happened(status):
            if time.monotonic() - begun > seconds:
                events = await self.administrator.events(self.namespace, name)
                raise AssertionError(f"not within {seconds} s: {status!r}, events {events}")
            await asyncio.sleep(0.05)
            status = await self.status(name)
        return time.monotonic() - begun

    async def state(self, name: str, state: str, seconds: float = 30) -> float:
        """Wait until the job is in this state and nothing is under way."""
        return await self.until(
            name, lambda it: it.state == state and it.operation is None, seconds
        )

    def job_of(self, name: str, run: int) -> FakeJob:
        """The Flink job of a run."""
        return self.flink.jobs_by_address[self.world.address(name, self.namespace, run)]

    async def left(self, kind: Kind, name: str) -> list[str]:
        """Names of the objects of a kind that a job has."""
        found = await self.administrator.find(kind, self.namespace, f"streamjob.dev/job={name}")
        return [body["metadata"]["name"] for body in found]


@asynccontextmanager
async def live(
    namespace: str,
    administrator: Path,
    operator: Path,
    nodes_of: type[Kubelet] = Kubelet,
    **settings: Any,
) -> AsyncIterator[Live]:
    """Nodes and Flinks for a namespace; both paths are kubeconfigs."""
    everybody = await connect(administrator)
    kube = await connect(operator, AioKubeClient)
    calls = Calls()
    flink = FakeFlink(SystemClock(), calls)
    flink.program = run_at_once
    world = World(Settings(namespaces=(namespace,), **settings), kube, flink)
    kubelet = nodes_of(everybody, flink, world.address)
    nodes = asyncio.create_task(kubelet.keep_up(namespace))
    try:
        yield Live(namespace, everybody, flink, calls, world)
    finally:
        nodes.cancel()
        await asyncio.gather(nodes, return_exceptions=True)
        await kube.close()
        await everybody.close()
    assert kubelet.violations == []
