"""Operators that are processes, each with its own way to the API server, on played Flinks."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from streamjob_operator.errors import NotFound, Unavailable
from streamjob_operator.kube import kinds
from streamjob_operator.kube.leadership import NAME as LEASE_NAME
from tests.apiserver import operator_main
from tests.apiserver.apiserver import ApiServer, free_ports
from tests.apiserver.proxy import Proxy, proxy_to
from tests.fakes.flink_server import FlinkServer, flink_server
from tests.fakes.kubelet import Kubelet
from tests.fakes.live import Live, live

TURN_SECONDS: Final = 0.1
NO_ANSWER: Final = 0
"""In place of the status of a probe."""
ROOT: Final = Path(__file__).parents[2]


@dataclass
class OperatorProcess:
    """One operator: its process, its way to the API server, and the Flinks as it sees them."""

    process: asyncio.subprocess.Process
    proxy: Proxy
    flink: FlinkServer
    probes: str
    directory: Path
    identity: str
    answers: list[tuple[float, str, int]] = field(default_factory=list)
    """When each probe was answered, and how."""

    @property
    def is_alive(self) -> bool:
        return self.process.returncode is None

    @property
    def log(self) -> str:
        return (self.directory / "operator.log").read_text(errors="replace")

    async def census(self) -> Census:
        """Ask for it. Raises TimeoutError."""
        told = self.directory / "census"
        told.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR1)
        await _until(60, told.exists)
        return Census(**json.loads(told.read_text()))

    def connections(self, begun: float, until: float) -> list[float]:
        """When it tried to connect to the API server, in a time."""
        lines = (self.directory / "connections").read_text().splitlines()
        tried = (line.split() for line in lines if line.endswith(f" {self.proxy.port}"))
        return [at for at in (float(words[0]) for words in tried) if begun <= at < until]

    async def keep_probing(self) -> None:
        """As the kubelet does, once a second and with both paths."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
            while True:
                for path in ("healthz", "readyz"):
                    self.answers.append((time.monotonic(), path, await self._probe(session, path)))
                await asyncio.sleep(1)

    async def _probe(self, session: aiohttp.ClientSession, path: str) -> int:
        try:
            async with session.get(f"{self.probes}/{path}") as response:
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return NO_ANSWER

    def probed(self, path: str, begun: float, until: float) -> list[int]:
        """The answers of one probe, in a time."""
        return [code for at, asked, code in self.answers if asked == path and begun <= at < until]


@dataclass
class Census:
    """What an operator's memory is made of."""

    objects: dict[str, int]
    """By type, with its module."""
    tasks: dict[str, int]
    """Those that run, by the name of what they run."""
    memory: list[str]
    """Where it grew, if the process was started with PYTHONTRACEMALLOC."""


@dataclass
class Place:
    """A namespace with jobs, played nodes and Flinks, and the operators that look after it.

    It has a Lease of its own, so that several places don't disturb each other.
    """

    server: ApiServer
    cluster: Live
    kubeconfig: Path
    directory: Path
    _stack: AsyncExitStack
    _turns: list[tuple[float, float]] = field(default_factory=list)
    """When this process had its turn, and how late."""

    async def keep_time(self) -> None:
        """Notice where the machine stands still."""
        while True:
            due = time.monotonic() + TURN_SECONDS
            await asyncio.sleep(TURN_SECONDS)
            self._turns.append((due, time.monotonic() - due))

    def stood_still(self, begun: float, until: float) -> float:
        """For how many seconds at most nothing ran here, in a time."""
        return max((late for due, late in self._turns if begun <= due < until), default=0)

    async def operator(
        self, identity: str, environment: dict[str, str] | None = None, **proxy: Any
    ) -> OperatorProcess:
        """Start one; it ends with the place."""
        directory = self.directory / identity
        directory.mkdir()
        way = await self._stack.enter_async_context(proxy_to(self.server, **proxy))
        flink = await self._stack.enter_async_context(flink_server(self.cluster.flink))
        port = free_ports(1)[0]
        surroundings = {
            "KUBECONFIG": str(way.kubeconfig(self.kubeconfig, directory / "kubeconfig")),
            "POD_NAME": identity,
            "POD_NAMESPACE": self.cluster.namespace,
            "STREAMJOB_NAMESPACES": json.dumps([self.cluster.namespace]),
            "STREAMJOB_LIVENESS_ENDPOINT": f"http://127.0.0.1:{port}/healthz",
            "PYTHONPATH": f"{ROOT / 'operator'}{os.pathsep}{ROOT}",
            operator_main.FLINK_PORT: str(flink.port),
            operator_main.CONNECTIONS: str(directory / "connections"),
            operator_main.CENSUS: str(directory / "census"),
        }
        process = await self._stack.enter_async_context(
            _process(surroundings | (environment or {}), directory)
        )
        made = OperatorProcess(process, way, flink, f"http://127.0.0.1:{port}", directory, identity)
        probing = asyncio.create_task(made.keep_probing())
        self._stack.callback(probing.cancel)
        return made

    async def lease(self) -> dict[str, Any]:
        """The spec of the Lease; empty when there is none."""
        with suppress(NotFound, Unavailable):
            found = await self.cluster.administrator.get(
                kinds.LEASE, self.cluster.namespace, LEASE_NAME
            )
            return dict(found["spec"])
        return {}

    async def until_leads(self, operator: OperatorProcess, seconds: float) -> float:
        """Returns after how many seconds it did. Raises TimeoutError."""
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            while not await self.leads(operator):  # noqa: ASYNC110 - another process does
                await asyncio.sleep(0.1)
        return time.monotonic() - begun

    async def leads(self, operator: OperatorProcess) -> bool:
        """Whether it holds the lease."""
        holder = (await self.lease()).get("holderIdentity") or ""
        return str(holder).startswith(f"{operator.identity}_")


async def _until(seconds: float, happened: Callable[[], bool]) -> None:
    async with asyncio.timeout(seconds):
        while not happened():  # noqa: ASYNC110 - another process makes it happen
            await asyncio.sleep(0.1)


@asynccontextmanager
async def _process(
    environment: dict[str, str], directory: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    command = [sys.executable, "-m", operator_main.__name__]
    if setpriv := shutil.which("setpriv"):
        # Nothing is left running where the tests are killed.
        command = [setpriv, "--pdeathsig", "KILL", "--", *command]
    with (directory / "operator.log").open("wb") as log:
        started = await asyncio.create_subprocess_exec(
            *command,
            env=os.environ | environment,
            stdout=log,
            stderr=log,
        )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.wait()


@asynccontextmanager
async def place(
    server: ApiServer, kubeconfig: Path, directory: Path, nodes_of: type[Kubelet] = Kubelet
) -> AsyncIterator[Place]:
    """A new namespace. `kubeconfig`: of the operator's service account."""
    namespace = f"test-{uuid.uuid4().hex[:8]}"
    server.kubectl("create", "namespace", namespace)
    _allow_leases(server, namespace)
    async with (
        live(namespace, server.kubeconfig, kubeconfig, nodes_of) as cluster,
        AsyncExitStack() as stack,
    ):
        made = Place(server, cluster, kubeconfig, directory, stack)
        keeping_time = asyncio.create_task(made.keep_time())
        stack.callback(keeping_time.cancel)
        yield made


def _allow_leases(server: ApiServer, namespace: str) -> None:
    """The same rights to its Lease as the operator has where it is deployed."""
    for kind in ("role", "rolebinding"):
        deployed = server.get(kind, "-n", "streamjob-system", "streamjob-operator")
        deployed["metadata"] = {"name": "streamjob-operator", "namespace": namespace}
        server.apply(deployed)
