"""A benchmark: jobs are made, paused, resumed, stopped and deleted for an hour; memory stays flat.

Run as a module: the real operator process on a real API server, with played nodes and Flinks.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

from streamjob_operator.errors import KubernetesError
from streamjob_operator.kube import kinds
from tests.apiserver.apiserver import ApiServer, running_apiserver
from tests.apiserver.operators import ROOT, Census, OperatorProcess, Place, place
from tests.fakes.kubelet import Body, Kubelet

SAMPLE_SECONDS: Final = 30
WARM_UP: Final = 0.4
"""This part of the time does not count: the allocator's pools and caches fill up, up to the busiest
moment. Seen: 20 minutes with 40 jobs on a busy machine.
"""
BYTES_PER_JOB: Final = 1024
"""More growth than that for each job that came and went is a leak: what is remembered of one job
takes more. Less can't be told from the noise of a process's memory within an hour; objects that are
left behind are counted as well, one by one.
"""
QUIET_SECONDS: Final = 20
"""Kopf's workers end after 5 s without news, idle connections to the API server after 15 s."""
LOOK_SECONDS: Final = 0.4
STEP_SECONDS: Final = 600
"""Bound of one step of a job. What is measured is memory, on a machine that may do other things."""
SHARE_LEFT: Final = 3 / 4
"""So many objects of one type for each job that is gone are a leak. Connections that stand keep
what was around when they were opened: those are few, and do not become more with the jobs.
"""
KEPT: Final = ("streamjob_operator.", "kopf.", "kubernetes.", "aiohttp.", "asyncio.", "_asyncio.")
"""Whose objects are counted. Python's own come and go with caches; what holds them is counted."""


ALONE: Final = {"STREAMJOB_LEADER_ELECTION": "false"}
"""On a machine at its limits it would lose its lease, and begin anew, again and again."""


class Sample(NamedTuple):
    """The operator at one time."""

    at: float
    """Seconds since the begin."""
    resident: int
    """Bytes."""
    jobs: int
    """Made and deleted so far."""


@dataclass
class Churn:
    """Many jobs that never come to rest, or not before they were made and deleted some times."""

    place: Place
    jobs: int
    rounds: int | None = None
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    gone: int = 0
    """Jobs that were made and deleted."""
    slowest: float = 0
    """Seconds that the slowest step took."""
    _found: dict[str, Body] = field(default_factory=dict)
    _looked: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def run(self) -> None:
        """Until stopped, or all rounds are done, and all jobs are gone."""
        looking = asyncio.create_task(self._look())
        try:
            async with asyncio.TaskGroup() as group:
                for number in range(self.jobs):
                    group.create_task(self._lives(f"job-{number:03}", number / self.jobs))
        finally:
            looking.cancel()

    async def _lives(self, name: str, late: float) -> None:
        cluster = self.place.cluster
        await asyncio.sleep(late * self.jobs / 10)
        rounds = itertools.count() if self.rounds is None else range(self.rounds)
        for _ in rounds:
            if self.stop.is_set():
                return
            await _surely(partial(cluster.create, name))
            await self._until(name, "Running")
            for wish in ("Paused", "Running", "Stopped"):
                await _surely(partial(cluster.edit, name, desiredState=wish))
                await self._until(name, wish)
            resource = (kinds.STREAM_JOB, cluster.namespace, name)
            await _surely(partial(cluster.administrator.delete, *resource))
            await self._until(name, None)
            for address in [it for it in cluster.flink.jobs_by_address if f"//{name}-jm-" in it]:
                del cluster.flink.jobs_by_address[address]
            self.gone += 1

    async def _until(self, name: str, state: str | None) -> None:
        begun = time.monotonic()

        def is_so() -> bool:
            body = self._found.get(name)
            if body is None or state is None:
                return body is None and state is None
            status = body.get("status") or {}
            settled = status.get("observedGeneration") == body["metadata"]["generation"]
            return settled and status.get("state") == state and "operation" not in status

        async with asyncio.timeout(STEP_SECONDS), self._looked:
            # What was seen before the edit says nothing.
            await self._looked.wait()
            await self._looked.wait_for(is_so)
        self.slowest = max(self.slowest, time.monotonic() - begun)

    async def _look(self) -> None:
        cluster = self.place.cluster
        while True:
            with suppress(KubernetesError):
                found = await cluster.administrator.find(kinds.STREAM_JOB, cluster.namespace, "")
                async with self._looked:
                    self._found = {body["metadata"]["name"]: body for body in found}
                    self._looked.notify_all()
            cluster.calls.made.clear()
            await asyncio.sleep(LOOK_SECONDS)


async def _surely(call: Callable[[], Awaitable[None]]) -> None:
    """Until it has succeeded, on a machine where even the API server may be late."""
    while True:
        with suppress(KubernetesError):
            return await call()
        await asyncio.sleep(1)


class BriefKubelet(Kubelet):
    """For many jobs: what a JobManager leaves in the cluster is made once for each."""

    async def keep_up(self, namespace: str, every_seconds: float = 0.4) -> None:
        await super().keep_up(namespace, every_seconds)

    async def _lead(self, pod: Body) -> None:
        led: set[str] = self.__dict__.setdefault("led", set())
        if pod["metadata"]["name"] not in led:
            led.add(pod["metadata"]["name"])
            await super()._lead(pod)


def bytes_per_job(samples: list[Sample]) -> float:
    """By how much the operator has grown with each job that came and went, after the warm-up."""
    begin = samples[-1].at * WARM_UP
    counted = [each for each in samples if each.at >= begin]
    return statistics.linear_regression(
        [each.jobs for each in counted], [each.resident for each in counted]
    ).slope


async def sample(operator: OperatorProcess, churn: Churn, seconds: float) -> list[Sample]:
    """Look at the operator's memory again and again, for a time."""
    begun, samples = time.monotonic(), []
    while (at := time.monotonic() - begun) < seconds and operator.is_alive:
        samples.append(Sample(at, resident(operator.process.pid), churn.gone))
        _tell(samples[-1], churn)
        await asyncio.sleep(min(SAMPLE_SECONDS, seconds / 10))
    return samples


def resident(pid: int) -> int:
    """Bytes of a process that are in memory."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (line,) = (line for line in lines if line.startswith("VmRSS:"))
    return int(line.split()[1]) * 1024


def _tell(sample: Sample, churn: Churn) -> None:
    words = f"{sample.at:6.0f} s  {sample.resident / 2**20:6.1f} MiB  {sample.jobs:6} jobs gone"
    sys.stdout.write(f"{words}  slowest step {churn.slowest:.1f} s\n")
    sys.stdout.flush()
    churn.slowest = 0


async def measure(
    server: ApiServer, kubeconfig: Path, directory: Path, options: argparse.Namespace
) -> int:
    """The whole benchmark; its exit code."""
    environment = {"PYTHONTRACEMALLOC": "1"} if options.trace else {}
    async with place(server, kubeconfig, directory, BriefKubelet) as made:
        operator = await made.operator(
            "operator", environment | ALONE | {"KUBECONFIG": str(kubeconfig)}
        )
        before = await census_at_rest(Churn(made, options.jobs, rounds=1), operator)
        churn = Churn(made, options.jobs)
        churning = asyncio.create_task(churn.run())
        samples = await sample(operator, churn, options.minutes * 60)
        churn.stop.set()
        await churning
        after = await census_at_rest(Churn(made, options.jobs, rounds=1), operator)
        grown = bytes_per_job(samples)
        left = left_behind(before, after, churn.gone + options.jobs)
        sys.stdout.write(
            f"{churn.gone} jobs came and went in {samples[-1].at / 60:.0f} minutes; "
            f"{grown:+.0f} bytes for each; at rest {resident(operator.process.pid) / 2**20:.1f} MiB"
            f"; left behind: {left or 'nothing'}; alive: {operator.is_alive}\n"
        )
        for line in after.memory:
            sys.stdout.write(f"{line}\n")
        return int(grown > BYTES_PER_JOB or bool(left) or not operator.is_alive)


async def census_at_rest(churn: Churn, operator: OperatorProcess) -> Census:
    """What there is after some jobs, when none is there any more."""
    await churn.run()
    await asyncio.sleep(QUIET_SECONDS)
    return await operator.census()


def left_behind(before: Census, after: Census, jobs: int) -> dict[str, int]:
    """What has become more with the jobs that are gone: objects by type, and tasks."""
    left = {}
    for kind in ("objects", "tasks"):
        was, there_is = getattr(before, kind), getattr(after, kind)
        for name, count in there_is.items():
            more = count - was.get(name, 0)
            if more >= jobs * SHARE_LEFT and (kind == "tasks" or name.startswith(KEPT)):
                left[name] = more
    return left


def main() -> int:
    """Run it; the exit code is 1 when memory grows with the jobs that are gone."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--jobs", type=int, default=100, help="at the same time")
    parser.add_argument("--trace", action="store_true", help="tell which lines ask for memory")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, running_apiserver(Path(name)) as server:
        server.kubectl("apply", "-k", str(ROOT / "crds"))
        established = ("--for=condition=Established", "crd/streamjobs.streamjob.dev")
        server.kubectl("wait", *established, "--timeout=30s")
        server.kubectl("apply", "-k", str(ROOT / "deploy"))
        kubeconfig = server.kubeconfig_of("streamjob-system", "streamjob-operator")
        return asyncio.run(measure(server, kubeconfig, Path(name), options))


if __name__ == "__main__":
    sys.exit(main())
