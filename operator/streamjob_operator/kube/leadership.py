"""Which operator may act: leader election by a Kubernetes Lease.

`kubernetes.aio.leaderelection` is not used: it compares the wall clocks of machines, never releases
the lease, and bounds neither its calls nor the acts of a leader that can't renew.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol, TypeVar

from streamjob_operator.errors import Conflict, KubernetesError, NotFound, NotLeading
from streamjob_operator.kube.kinds import LEASE, Kind

log = logging.getLogger(__name__)

Body = dict[str, Any]

NAME: Final = "streamjob-operator"
"""The Lease, in the operator's namespace."""
LEASE_SECONDS: Final = 10
"""A candidate takes a lease whose record has not changed for so long."""
HELD_SECONDS: Final = 7.0
"""So long after the start of its last successful renewal a leader acts. What is left of the lease
is for requests on their way and for clocks that don't run at the same speed.
"""
RENEW_SECONDS: Final = 2.0
"""A leader renews this often."""
RETRY_SECONDS: Final = 0.25
"""After a renewal that failed. Where every second call is put off, the lease must not be lost."""
LOOK_SECONDS: Final = 1.0
"""A candidate reads the lease this often, so that a released one is taken at once."""
CALL_SECONDS: Final = 4.0
"""Bound of one call: twice what a slow API server takes. After a renewal that got no answer there
is still time for another one, where calls take what they should.
"""

_TERM: Final = "#"
"""Between a process's name and the number of its term, from the second on."""

_Answer = TypeVar("_Answer")


class LeaseClient(Protocol):
    """What the election asks of the API server. Each raises KubernetesError."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        """The lease. Raises NotFound."""
        ...

    async def create(self, body: Body) -> object:
        """Make the lease. Raises Conflict when it is there."""
        ...

    async def replace(self, body: Body) -> Body:
        """Write the lease. Raises Conflict when its version has moved on."""
        ...


@dataclass(frozen=True)
class _Sight:
    """A version of the lease, as a candidate saw it first."""

    version: str | None
    """None: there is no lease."""
    since: float


class Leadership:
    """One process in the election. `monotonic`: seconds of a clock that is never set.

    All times are measured by the process's own clock: the leader from before it asks for a renewal,
    a candidate from after it has read it. So the leader's time is over before the candidate's.
    A Lease deleted by hand while it is held is no release: whoever has seen it waits just as long.
    """

    def __init__(
        self,
        kube: LeaseClient,
        namespace: str,
        identity: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.identity: Final = identity
        self._kube = kube
        self._namespace = namespace
        self._monotonic = monotonic
        self._held_until: float | None = None
        self._written: Body | None = None
        """The lease as this process wrote it last."""
        self._seen: _Sight | None = None
        self._bounds: set[asyncio.Timeout] = set()

    def again(self) -> Leadership:
        """A candidate of the same process. What acted for this one can never act for the new one.

        It has another identity: it waits like all others, until what was on its way has arrived.
        """
        name, _, term = self.identity.partition(_TERM)
        identity = f"{name}{_TERM}{int(term or 1) + 1}"
        made = Leadership(self._kube, self._namespace, identity, self._monotonic)
        made._seen = self._seen
        return made

    @property
    def seconds_left(self) -> float:
        """For how long the lease is surely held; 0 when it is not."""
        if self._held_until is None:
            return 0
        return max(self._held_until - self._monotonic(), 0)

    @asynccontextmanager
    async def guard(self) -> AsyncIterator[None]:
        """For acts: cut off when the lease is not surely held any more.

        Raises NotLeading, before the act or in the middle of it.
        """
        if not self.seconds_left:
            raise NotLeading(f"{self.identity} does not hold the lease: nothing is done")
        bound = asyncio.timeout(self.seconds_left)
        try:
            async with bound:
                self._bounds.add(bound)
                yield
        except TimeoutError as error:
            if bound.expired():
                raise NotLeading(f"{self.identity} could not renew the lease in time") from error
            raise
        finally:
            self._bounds.discard(bound)

    async def acquire(self) -> None:
        """Wait until this process is the leader, however long that takes."""
        log.info("%s is a candidate for the lease %s/%s", self.identity, self._namespace, NAME)
        while True:
            if await self.attempt():
                log.info("%s leads", self.identity)
                return
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Renew the lease; returns when it is lost."""
        renewed = True
        while self.seconds_left:
            # From the start of the last one: where calls are slow, the next one follows at once.
            due = self.seconds_left - (HELD_SECONDS - RENEW_SECONDS)
            wait = max(due, 0) if renewed else min(RETRY_SECONDS, self.seconds_left)
            await asyncio.sleep(wait)
            renewed = await self.renew()
        log.error("%s does not lead any more", self.identity)

    async def attempt(self) -> bool:
        """Look at the lease, and take it if it is free. Returns whether it is held now."""
        try:
            await self._look()
        except (KubernetesError, TimeoutError) as error:
            log.info("the lease was not taken: %s", str(error) or "no answer in time")
        return self.seconds_left > 0

    async def renew(self) -> bool:
        """Write the lease anew. Returns whether that went well.

        It ends at once when somebody else has written it.
        """
        if self._written is None or not self.seconds_left:
            return False
        begun = self._monotonic()
        try:
            async with asyncio.timeout(self.seconds_left):
                written = await self._replace_own(self._written, self._claim)
        except (KubernetesError, TimeoutError) as error:
            log.warning("the lease was not renewed: %s", str(error) or "no answer in time")
            return False
        if written is None:
            self._stop_acting()
            return False
        self._hold(begun, written)
        return True

    async def release(self) -> None:
        """Stop acting, and let another one take the lease at once."""
        lease, held = self._written, self.seconds_left
        self._stop_acting()
        if lease is None or not held:
            return
        try:
            async with asyncio.timeout(CALL_SECONDS):
                await self._replace_own(lease, _without_holder)
        except (KubernetesError, TimeoutError) as error:
            log.warning("the lease was not released: %s", str(error) or "no answer in time")
        else:
            log.info("%s has released the lease", self.identity)

    async def _look(self) -> None:
        try:
            lease = await _in_time(self._kube.get(LEASE, self._namespace, NAME))
        except NotFound:
            if self._is_free(None, None):
                await self._make()
            return
        version = lease["metadata"]["resourceVersion"]
        if self._is_free(version, lease.get("spec") or {}):
            begun = self._monotonic()
            self._hold(begun, await _in_time(self._kube.replace(self._claim(lease))))

    def _is_free(self, version: str | None, spec: Body | None) -> bool:
        now = self._monotonic()
        is_first = self._seen is None
        if self._seen is None or self._seen.version != version:
            self._seen = _Sight(version, now)
        if spec is None and is_first:
            return True
        if spec is not None and spec.get("holderIdentity") in {None, "", self.identity}:
            return True
        duration = max((spec or {}).get("leaseDurationSeconds") or 0, LEASE_SECONDS)
        return now - self._seen.since >= duration

    async def _make(self) -> None:
        begun = self._monotonic()
        metadata = {"namespace": self._namespace, "name": NAME}
        body = self._claim(
            {"apiVersion": LEASE.api_version, "kind": LEASE.name, "metadata": metadata}
        )
        await _in_time(self._kube.create(body))
        made = await _in_time(self._kube.get(LEASE, self._namespace, NAME))
        if made["spec"].get("holderIdentity") == self.identity:
            self._hold(begun, made)

    async def _replace_own(self, lease: Body, change: Callable[[Body], Body]) -> Body | None:
        """Renew or release; None when the lease is another's now, or gone.

        A version that has moved on may be this process's own renewal, whose answer was lost.
        """
        try:
            return await _in_time(self._kube.replace(change(lease)))
        except (Conflict, NotFound) as error:
            log.info("the lease has changed: %s", error)
        try:
            found = await _in_time(self._kube.get(LEASE, self._namespace, NAME))
        except NotFound:
            return None
        if (found.get("spec") or {}).get("holderIdentity") != self.identity:
            return None
        return await _in_time(self._kube.replace(change(found)))

    def _claim(self, lease: Body) -> Body:
        """The lease with this process as holder. Its times are for people to read."""
        now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
        old = lease.get("spec") or {}
        spec = old | {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": now,
        }
        if old.get("holderIdentity") != self.identity:
            spec |= {"acquireTime": now, "leaseTransitions": (old.get("leaseTransitions") or 0) + 1}
        return lease | {"spec": spec}

    def _hold(self, begun: float, written: Body) -> None:
        self._written = written
        self._seen = _Sight(written["metadata"]["resourceVersion"], self._monotonic())
        self._held_until = begun + HELD_SECONDS
        deadline = asyncio.get_running_loop().time() + self.seconds_left
        for bound in self._bounds:
            if not bound.expired():
                bound.reschedule(deadline)

    def _stop_acting(self) -> None:
        self._held_until = None
        now = asyncio.get_running_loop().time()
        for bound in self._bounds:
            if not bound.expired():
                bound.reschedule(now)


async def _in_time(call: Awaitable[_Answer]) -> _Answer:
    """The answer. Raises TimeoutError where it takes longer than CALL_SECONDS."""
    async with asyncio.timeout(CALL_SECONDS):
        return await call


def _without_holder(lease: Body) -> Body:
    return lease | {"spec": lease["spec"] | {"holderIdentity": ""}}
