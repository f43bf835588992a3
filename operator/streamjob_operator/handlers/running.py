"""Running Kopf with this operator's handlers and settings."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import kopf

from streamjob_operator.api import constants
from streamjob_operator.errors import NotLeading
from streamjob_operator.handlers.health import answering_probes
from streamjob_operator.handlers.jobs import Jobs
from streamjob_operator.handlers.registry import build_registry
from streamjob_operator.kube.leadership import Leadership
from streamjob_operator.runtime.backoff import EndlessDelays
from streamjob_operator.world import World

_ENDING_SECONDS = 3
"""What Kopf has to come to rest when the lease is lost; nothing may be done in that time anyway."""

_CHILDREN = (
    ("apps", "v1", "deployments"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("", "v1", "pods"),
)


class _NoDiff(kopf.DiffBaseStorage):
    """No copy of the last handled spec on the resource: this operator compares with its run's
    record.
    """

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return None


def kopf_settings(world: World) -> kopf.OperatorSettings:
    """Kopf's settings, and why they differ from its defaults."""
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = constants.FINALIZER
    settings.persistence.diffbase_storage = _NoDiff()
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=constants.GROUP)
    # Reading CRDs and namespaces would need rights that nothing else here needs.
    settings.scanning.disabled = True
    # Load balancers cut idle streams; a shorter life of our own makes that a normal end.
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 30
    settings.watching.chunk_size = 500
    for kind in _CHILDREN:
        # Without a selector every pod of the cluster would be sent here and thrown away.
        settings.watching.label_selectors[kind] = constants.LABEL_JOB
    settings.networking.request_timeout = world.settings.request_timeout_seconds
    settings.networking.error_backoffs = EndlessDelays()
    settings.posting.reporting_component = constants.FIELD_MANAGER
    settings.process.ultimate_exiting_timeout = 10
    return settings


async def serve(
    world: World,
    *,
    ready: asyncio.Event | None = None,
    stop: asyncio.Event | None = None,
    liveness: bool = True,
) -> None:
    """Look after all StreamJobs until stopped; with leader election, as soon as this is the leader.

    The lease is released when everything has come to rest. Raises NotLeading when it was lost, and
    what Kopf raises when a watch has died: in both cases the process has to end.
    """
    stop = stop or asyncio.Event()
    async with AsyncExitStack() as stack:
        if liveness:
            await stack.enter_async_context(answering_probes(world.settings.liveness_endpoint))
        if world.leadership is None:
            await _operate(world, ready, stop)
            return
        stack.push_async_callback(world.leadership.release)
        await _unless(stop, world.leadership.acquire())
        if not stop.is_set():
            await _lead(world, world.leadership, ready, stop)


async def _operate(world: World, ready: asyncio.Event | None, stop: asyncio.Event) -> None:
    await kopf.operator(
        registry=build_registry(Jobs(world)),
        settings=kopf_settings(world),
        clusterwide=not world.settings.namespaces,
        namespaces=world.settings.namespaces,
        standalone=True,
        ready_flag=ready,
        stop_flag=stop,
    )


async def _lead(
    world: World, leadership: Leadership, ready: asyncio.Event | None, stop: asyncio.Event
) -> None:
    """Operate as long as the lease is held. It is renewed until the last pass has ended."""
    operating = asyncio.create_task(_operate(world, ready, stop))
    keeping = asyncio.create_task(leadership.keep())
    try:
        await asyncio.wait({operating, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if operating.done():
            await operating
            return
        await keeping
        raise NotLeading("the lease is lost: this process ends, to begin again as a candidate")
    finally:
        for task in (operating, keeping):
            task.cancel()
        await asyncio.wait({operating, keeping}, timeout=_ENDING_SECONDS)


async def _unless(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Work, given up when asked to stop."""
    tasks = {asyncio.create_task(work), asyncio.create_task(stop.wait())}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
