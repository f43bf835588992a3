"""The loop of one job: pass after pass, woken by news, never later than the plan says."""

from __future__ import annotations

import asyncio
import logging
import random
from dataclasses import dataclass, field
from datetime import timedelta

from streamjob_operator.api.run import flink_job_id_of
from streamjob_operator.decide.observed import FlinkSeen
from streamjob_operator.errors import Conflict, FlinkError, StreamJobError
from streamjob_operator.observe import Memory, flink_look
from streamjob_operator.reconcile import Outcome, reconcile
from streamjob_operator.runtime.backoff import Backoff
from streamjob_operator.runtime.waiting import StopFlag, wait_any
from streamjob_operator.runtime.wakeups import Wakeups
from streamjob_operator.world import World

log = logging.getLogger(__name__)

_Key = tuple[str, str]
_AFTER_CONFLICT = timedelta(milliseconds=50)
_LONGEST_AFTER_CONFLICT = timedelta(seconds=1)
"""Somebody wrote in between: look again, but do not race them, and less and less often."""


@dataclass
class Jobs:
    """All jobs that this operator looks after."""

    world: World
    wakeups: Wakeups = field(default_factory=Wakeups)
    memories: dict[_Key, Memory] = field(default_factory=dict)
    locks: dict[_Key, asyncio.Lock] = field(default_factory=dict)
    slots: asyncio.Semaphore = field(init=False)

    def __post_init__(self) -> None:
        self.slots = asyncio.Semaphore(self.world.settings.parallel_passes)

    def heard_of(self, namespace: str, name: str, version: str) -> None:
        """The resource has changed; the echo of the operator's own write is no news."""
        memory = self.memories.get((namespace, name))
        if memory is not None and version in memory.own_versions:
            memory.own_versions.discard(version)
            return
        if memory is not None:
            memory.own_versions.clear()
        self.wakeups.wake(namespace, name)

    def heard_of_child(self, namespace: str, name: str, *, is_pod: bool) -> None:
        """Something of the job has changed; pods are read in every pass anyway."""
        memory = self.memories.get((namespace, name))
        if memory is not None and not is_pod:
            memory.children = None
        self.wakeups.wake(namespace, name)

    async def follow(self, namespace: str, name: str, uid: str, stopped: StopFlag) -> None:
        """Look after one job until its resource is deleted or the operator ends."""
        backoff, conflicts = Backoff(), Backoff(_LONGEST_AFTER_CONFLICT, _AFTER_CONFLICT)
        with self.wakeups.subscribe(namespace, name) as woken:
            while not stopped:
                woken.clear()
                try:
                    outcome = await self.look(namespace, name)
                except Conflict:
                    await asyncio.sleep(conflicts.next().total_seconds())
                    continue
                except StreamJobError as error:
                    wait = backoff.next()
                    log.warning("%s/%s: %s", namespace, name, error)
                    await wait_any(woken, stopped, wait)
                    continue
                except Exception:
                    # A bug in one pass must not end the loop: Kopf never starts a daemon again.
                    log.exception("%s/%s: a pass failed unexpectedly", namespace, name)
                    await wait_any(asyncio.Event(), stopped, backoff.next())
                    continue
                if outcome is None:
                    self._forget(namespace, name)
                    return
                backoff.reset()
                conflicts.reset()
                await self._rest(namespace, name, uid, outcome, woken, stopped)

    async def look(self, namespace: str, name: str) -> Outcome | None:
        """One pass: one at a time per job, and bounded in number over all of them."""
        key = (namespace, name)
        memory = self.memories.setdefault(key, Memory())
        async with self.locks.setdefault(key, asyncio.Lock()), self.slots:
            return await reconcile(self.world, namespace, name, memory)

    async def dismantle(self, namespace: str, name: str) -> None:
        """The resource is being deleted: pass after pass, until nothing of the job is left."""
        backoff = Backoff(longest=timedelta(seconds=10))
        conflicts = Backoff(_LONGEST_AFTER_CONFLICT, _AFTER_CONFLICT)
        while True:
            try:
                outcome = await self.look(namespace, name)
            except Conflict:
                await asyncio.sleep(conflicts.next().total_seconds())
                continue
            except StreamJobError as error:
                log.warning("%s/%s: %s", namespace, name, error)
                await asyncio.sleep(backoff.next().total_seconds())
                continue
            if outcome is None or outcome.settled:
                self._forget(namespace, name)
                return
            await asyncio.sleep(min(outcome.look_again, timedelta(seconds=1)).total_seconds())

    def _forget(self, namespace: str, name: str) -> None:
        self.memories.pop((namespace, name), None)
        self.locks.pop((namespace, name), None)

    async def _rest(
        self,
        namespace: str,
        name: str,
        uid: str,
        outcome: Outcome,
        woken: asyncio.Event,
        stopped: StopFlag,
    ) -> None:
        """Until the next pass is due. In between a running job's Flink is asked; no pass."""
        if not outcome.follow_flink or outcome.run is None:
            await wait_any(woken, stopped, outcome.look_again)
            return
        memory = self.memories.setdefault((namespace, name), Memory())
        address = self.world.address(name, namespace, outcome.run)
        job_id = flink_job_id_of(uid, outcome.run)
        poll = timedelta(seconds=self.world.settings.poll_seconds)
        left = outcome.look_again
        while left > timedelta(0):
            step = min(left, poll * random.uniform(0.9, 1.1))  # noqa: S311 - spreads jobs out
            await wait_any(woken, stopped, step)
            if stopped or woken.is_set():
                return
            left -= step
            if await self._flink_look(address, job_id) != memory.flink_look:
                return

    async def _flink_look(self, address: str, job_id: str) -> tuple[object, ...] | None:
        try:
            found = await self.world.flink.jobs(address)
        except FlinkError:
            return None
        job = next((job for job in found if job.job_id == job_id), None)
        return flink_look(FlinkSeen(reachable=True, job=job))
