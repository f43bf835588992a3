"""Two operators on a real API server, with the operator's own rights: one leads, one stands by."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import aiohttp
import pytest

from streamjob_operator.errors import NotFound
from streamjob_operator.handlers.running import serve
from streamjob_operator.kube import kinds
from streamjob_operator.kube.leadership import LEASE_SECONDS, RENEW_SECONDS, Leadership
from tests.fakes.live import Live

pytestmark = pytest.mark.apiserver

NAME = "orders"
SYSTEM = "streamjob-system"


@pytest.fixture
async def cluster(cluster: Live) -> Live:
    """Nobody holds the lease, which all namespaces share."""
    await cluster.administrator.delete(kinds.LEASE, SYSTEM, "streamjob-operator")
    return cluster


@dataclass
class Process:
    """One operator, as its main function runs it."""

    leadership: Leadership
    leads: asyncio.Event
    stop: asyncio.Event
    task: asyncio.Task[None]

    async def until_it_leads(self, seconds: float) -> float:
        """Returns after how many seconds it did."""
        begun = time.monotonic()
        async with asyncio.timeout(seconds):
            await self.leads.wait()
        return time.monotonic() - begun


@asynccontextmanager
async def operator(cluster: Live, identity: str) -> AsyncIterator[Process]:
    leadership = Leadership(cluster.world.kube, SYSTEM, identity)
    leads, stop = asyncio.Event(), asyncio.Event()
    world = replace(cluster.world, leadership=leadership)
    task = asyncio.create_task(serve(world, ready=leads, stop=stop))
    try:
        yield Process(leadership, leads, stop, task)
    finally:
        stop.set()
        await asyncio.wait({task}, timeout=30)


@asynccontextmanager
async def process(
    cluster: Live, kubeconfig: Path, endpoint: str
) -> AsyncIterator[asyncio.subprocess.Process]:
    """The operator as its image runs it, but for its surroundings."""
    settings = {
        "KUBECONFIG": str(kubeconfig),
        "STREAMJOB_NAMESPACES": f'["{cluster.namespace}"]',
        "STREAMJOB_LIVENESS_ENDPOINT": endpoint,
    }
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streamjob_operator"), env=os.environ | settings
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            started.kill()
        await started.wait()


async def until_held(cluster: Live) -> None:
    while True:
        with suppress(NotFound):
            if await holder(cluster):
                return
        await asyncio.sleep(0.1)


async def holder(cluster: Live) -> str:
    lease = await cluster.administrator.get(kinds.LEASE, SYSTEM, "streamjob-operator")
    return str(lease["spec"].get("holderIdentity") or "")


@asynccontextmanager
async def leader_and_standby(cluster: Live) -> AsyncIterator[tuple[Process, Process]]:
    """Both begin together: Kopf, when it ends, cancels all tasks that are younger than itself."""
    async with operator(cluster, "one") as one, operator(cluster, "other") as other:
        waits = [asyncio.ensure_future(each.leads.wait()) for each in (one, other)]
        await asyncio.wait(waits, timeout=15, return_when=asyncio.FIRST_COMPLETED)
        assert [one.leads.is_set(), other.leads.is_set()].count(True) == 1
        for wait in waits:
            wait.cancel()
        yield (one, other) if one.leads.is_set() else (other, one)


async def test_a_standby_takes_over_at_once_from_an_operator_that_stops(cluster: Live) -> None:
    async with leader_and_standby(cluster) as (leader, standby):
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        assert await holder(cluster) == leader.leadership.identity
        leader.stop.set()
        await asyncio.wait_for(leader.task, 30)
        assert await standby.until_it_leads(5) < 5
        assert await holder(cluster) == standby.leadership.identity
        await cluster.edit(NAME, desiredState="Paused")
        await cluster.state(NAME, "Paused")
    assert await holder(cluster) == ""


async def test_a_standby_takes_over_within_15_seconds_from_an_operator_that_is_killed(
    cluster: Live, operator_kubeconfig: Path
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/healthz"
    async with process(cluster, operator_kubeconfig, endpoint) as leader:
        assert await answered(endpoint, 30) == 200
        async with asyncio.timeout(10):
            await until_held(cluster)
        async with operator(cluster, "standby") as standby:
            with pytest.raises(TimeoutError):
                await standby.until_it_leads(3)
            leader.kill()
            assert LEASE_SECONDS - RENEW_SECONDS - 1 < await standby.until_it_leads(15) < 15
            assert await holder(cluster) == "standby"


async def test_an_operator_whose_lease_is_taken_stands_by_again(cluster: Live) -> None:
    async with operator(cluster, "first") as first:
        await first.until_it_leads(10)
        for holds in ("second", ""):
            taken = {"spec": {"holderIdentity": holds}}
            await cluster.administrator.patch(kinds.LEASE, SYSTEM, "streamjob-operator", taken)
            if holds:
                await asyncio.sleep(RENEW_SECONDS + 1)
                assert not first.leadership.seconds_left
                assert await holder(cluster) == "second"
        async with asyncio.timeout(30):
            await until_held(cluster)
        assert await holder(cluster) == "first#2"
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        assert not first.task.done()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def answered(endpoint: str, seconds: float) -> int:
    """The status of the first answer."""
    async with asyncio.timeout(seconds), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(endpoint) as response:
                    return response.status
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)


async def test_the_process_of_a_standby_answers_probes_and_ends_when_it_is_told_to(
    cluster: Live, operator_kubeconfig: Path
) -> None:
    endpoint = f"http://127.0.0.1:{free_port()}/healthz"
    async with operator(cluster, "leader") as leader:
        await leader.until_it_leads(10)
        async with process(cluster, operator_kubeconfig, endpoint) as standby:
            assert await answered(endpoint, 30) == 200
            assert await holder(cluster) == "leader"
            standby.terminate()
            assert await asyncio.wait_for(standby.wait(), 5) == 0
