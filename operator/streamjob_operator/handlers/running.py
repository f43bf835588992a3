"""Running Kopf with this operator's handlers and settings."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import replace
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

_ENDING_SECONDS = 20
"""What Kopf has to come to rest when the lease is lost. No pass may act in that time anyway."""

log = logging.getLogger(__name__)

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
    silent_for: Callable[[], float] | None = None,
) -> None:
    """Look after all StreamJobs until stopped; with leader election, whenever this is the leader.

    `silent_for`: for how many seconds the API server has been silent; with it, probes are answered.
    Raises NotLeading when the lease is lost and what works for it does not come to rest, and what
    Kopf raises when a watch has died: in both cases the process has to end.
    """
    stop = stop or asyncio.Event()
    async with AsyncExitStack() as stack:
        if silent_for is not None:
            endpoint = world.settings.liveness_endpoint
            await stack.enter_async_context(answering_probes(endpoint, silent_for))
        if world.leadership is None:
            await _operate(world, ready, stop)
            return
        candidate: Leadership | None = world.leadership
        while candidate is not None and not stop.is_set():
            candidate = await _term(replace(world, leadership=candidate), candidate, ready, stop)


async def _term(
    world: World, candidate: Leadership, ready: asyncio.Event | None, stop: asyncio.Event
) -> Leadership | None:
    """From standing by to the end of leading. Returns who stands by next, if the lease was lost."""
    _heed_signals(stop)
    try:
        await _unless(stop, candidate.acquire())
        if stop.is_set() or not await _lead(world, candidate, ready, stop):
            return None
        return candidate.again()
    finally:
        # When everything has come to rest.
        await candidate.release()


def _heed_signals(stop: asyncio.Event) -> None:
    """As long as Kopf does not run: when it starts it takes the signals over, and keeps them."""
    if threading.current_thread() is threading.main_thread():
        for signum in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(signum, stop.set)


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
) -> bool:
    """Operate as long as the lease is held, which is renewed until the last pass has ended.

    Returns whether it was lost and Kopf has come to rest. Raises NotLeading when it has not.
    """
    # Kopf kills the process some time after it was ended in any other way than by its own flag.
    rest = asyncio.Event()
    operating = asyncio.create_task(_operate(world, ready, rest))
    keeping = asyncio.create_task(leadership.keep())
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({operating, keeping, stopping}, return_when=asyncio.FIRST_COMPLETED)
        rest.set()
        await asyncio.wait({operating, keeping}, return_when=asyncio.FIRST_COMPLETED)
        if operating.done():
            await operating
            return False
        _heed_signals(stop)
        await asyncio.wait({operating}, timeout=_ENDING_SECONDS)
        if not operating.done():
            raise NotLeading("the lease is lost, and a pass does not end: the process ends")
        if (error := operating.exception()) is not None:
            log.warning("Kopf ended with an error: %s", error)
        log.warning("the lease is lost: this process stands by")
        return True
    finally:
        for task in (operating, keeping, stopping):
            task.cancel()
        await asyncio.wait({operating, keeping, stopping}, timeout=1)


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
