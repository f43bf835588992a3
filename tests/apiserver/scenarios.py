"""What operators go through whose way to the API server is bad, and what was to be seen."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass, field
from typing import Any, Final

from tests.apiserver.churn import ALONE, Churn, census_at_rest, left_behind
from tests.apiserver.operators import OperatorProcess, Place
from tests.apiserver.proxy import Asked

OUTAGE_SECONDS: Final = float(os.environ.get("STREAMJOB_TEST_OUTAGE_SECONDS", "25"))
"""Longer than everything that ends in an outage: the lease is given up after 7 s and may be taken
after 10, a call times out after 10, and what a pass or Kopf tries again (1, 2, 4, 8 s) ends with
the lease. From then on the operator looks at the lease, once a second: more time adds no more.
"""
NAME: Final = "orders"
OTHERS: Final = tuple(f"other-{number}" for number in range(4))
PATIENCE: Final = 240.0
"""Seconds for what is to happen, on a machine that does other things. Tests have tighter bounds."""


@dataclass
class Seen:
    """What a scenario has recorded."""

    place: Place
    times: dict[str, float] = field(default_factory=dict)
    """By `time.monotonic()`."""
    facts: dict[str, Any] = field(default_factory=dict)

    def note(self, *names: str) -> None:
        """Now."""
        self.times.update(dict.fromkeys(names, time.monotonic()))

    def seconds(self, begin: str, end: str) -> float:
        """From one time to another."""
        return self.times[end] - self.times[begin]


async def _running(place: Place, *names: str) -> None:
    for name in names:
        await place.cluster.create(name)
    for name in names:
        await place.cluster.state(name, "Running", PATIENCE)


async def _pause(seen: Seen) -> None:
    """Ask for a Pause past the operator's own way, and wait for it."""
    seen.note("pause asked")
    await seen.place.cluster.edit(NAME, desiredState="Paused")
    await seen.place.cluster.state(NAME, "Paused", PATIENCE)
    seen.note("paused")
    seen.facts["triggers"] = set(seen.place.cluster.job_of(NAME, 1).asked)


async def _led(place: Place, identity: str, **how: Any) -> OperatorProcess:
    operator = await place.operator(identity, **how)
    await place.until_leads(operator, PATIENCE)
    return operator


async def away(place: Place) -> Seen:
    """The API server is away, and meanwhile a wish changes."""
    seen, cluster = Seen(place), place.cluster
    operator = seen.facts["operator"] = await _led(place, "one")
    await _running(place, NAME, *OTHERS)
    await operator.proxy.refuse()
    seen.note("begun")
    await asyncio.sleep(OUTAGE_SECONDS / 2)
    await cluster.edit(NAME, desiredState="Paused")
    await asyncio.sleep(OUTAGE_SECONDS / 2)
    await operator.proxy.listen()
    seen.note("ended")
    await cluster.state(NAME, "Paused", PATIENCE)
    seen.note("paused")
    seen.facts["triggers"] = set(cluster.job_of(NAME, 1).asked)
    seen.facts["others"] = {(await cluster.status(name)).run for name in OTHERS}
    seen.facts["disturbed"] = [
        name
        for name in OTHERS
        if cluster.job_of(name, 1).asked or cluster.job_of(name, 1).state != "RUNNING"
    ]
    await asyncio.sleep(3)
    seen.note("checked")
    seen.facts["alive"] = operator.is_alive
    return seen


async def cut_off(place: Place) -> Seen:
    """A leader in the middle of a Pause is cut off from the API server, its standby is not."""
    seen, cluster = Seen(place), place.cluster
    leader = seen.facts["leader"] = await _led(place, "leader")
    await _running(place, NAME, OTHERS[0])
    standby = seen.facts["standby"] = await place.operator("standby")
    while not standby.proxy.asked:  # noqa: ASYNC110 - another process asks
        await asyncio.sleep(0.1)
    job = cluster.job_of(NAME, 1)
    job.savepoints_wait = True
    await cluster.edit(NAME, desiredState="Paused")
    await cluster.until(NAME, lambda it: it.operation and job.asked, PATIENCE)
    leader.proxy.swallow()
    seen.note("begun")
    seen.times["renewed"] = max(it.at for it in leader.proxy.passed_on if _is_renewal(it))
    await place.until_leads(standby, PATIENCE)
    seen.note("taken")
    job.complete_savepoints()
    await cluster.state(NAME, "Paused", PATIENCE)
    seen.note("paused")
    seen.facts["triggers"] = set(job.asked)
    await asyncio.sleep(OUTAGE_SECONDS - seen.seconds("begun", "paused"))
    leader.proxy.flow()
    seen.note("healed")
    await asyncio.sleep(5)
    seen.facts["standby leads"] = await place.leads(standby)
    seen.note("standby ends")
    standby.process.terminate()
    await place.until_leads(leader, PATIENCE)
    seen.note("leads again")
    await cluster.edit(NAME, desiredState="Running")
    await cluster.state(NAME, "Running", PATIENCE)
    seen.facts["run"] = (await cluster.status(NAME)).run
    seen.facts["alive"] = leader.is_alive
    return seen


def _is_renewal(asked: Asked) -> bool:
    return asked.is_lease and asked.method == "PUT"


async def slow(place: Place) -> Seen:
    """Each call takes 2 s, from the middle of the operator's life on."""
    seen = Seen(place)
    operator = seen.facts["operator"] = await _led(place, "one")
    await _running(place, NAME)
    operator.proxy.delay_seconds = 2
    await _pause(seen)
    seen.facts["lease"] = await place.lease()
    seen.facts["alive"] = operator.is_alive
    return seen


async def slow_from_the_start(place: Place) -> Seen:
    """Each call takes 2 s already when the operator starts."""
    seen = Seen(place)
    seen.note("begun")
    seen.facts["operator"] = await _led(place, "one", delay_seconds=2)
    seen.note("leads")
    await asyncio.sleep(OUTAGE_SECONDS)
    seen.note("ended")
    seen.facts["lease"] = await place.lease()
    return seen


async def throttled(place: Place) -> Seen:
    """Every second call is answered with 429 and Retry-After: 1."""
    seen = Seen(place)
    operator = seen.facts["operator"] = await _led(place, "one")
    await _running(place, NAME)
    operator.proxy.refused_share = 0.5
    await _pause(seen)
    seen.facts["lease"] = await place.lease()
    seen.facts["alive"] = operator.is_alive
    return seen


async def without_watches(place: Place, how: str) -> Seen:
    """Every watch ends at once, or is told that its version is too old."""
    seen = Seen(place)
    often = {"STREAMJOB_RESYNC_SECONDS": "10"}
    operator = seen.facts["operator"] = await _led(place, "one", environment=often)
    await _running(place, NAME)
    setattr(operator.proxy, how, True)
    operator.proxy.drop_connections()
    seen.note("begun")
    await asyncio.sleep(OUTAGE_SECONDS)
    seen.note("ended")
    await _pause(seen)
    return seen


async def churned(place: Place) -> Seen:
    """Some jobs are made and deleted, and then they are again, twice."""
    seen = Seen(place)
    direct = {"KUBECONFIG": str(place.kubeconfig)}
    operator = await place.operator("one", ALONE | direct)
    few, many = Churn(place, jobs=6, rounds=1), Churn(place, jobs=6, rounds=2)
    before = await census_at_rest(few, operator)
    after = await census_at_rest(many, operator)
    seen.facts["left"] = left_behind(before, after, many.gone)
    seen.facts["gone"] = many.gone
    return seen
