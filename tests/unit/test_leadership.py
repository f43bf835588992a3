"""Leader election: who may act, and when, by each process's own clock."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest

from streamjob_operator.errors import Conflict, NotFound, NotLeading, Unavailable
from streamjob_operator.kube import leadership
from streamjob_operator.kube.kinds import Kind
from streamjob_operator.kube.leadership import (
    HELD_SECONDS,
    LEASE_SECONDS,
    RENEW_SECONDS,
    Leadership,
)
from streamjob_operator.reconcile import reconcile
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage

pytestmark = pytest.mark.unit

Body = dict[str, Any]


class Leases:
    """The one Lease on an API server that can go away, or lose its answers."""

    def __init__(self) -> None:
        self.lease: Body | None = None
        self.reachable = True
        self.answers = True
        self.writes = 0

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        del kind, namespace, name
        self._ask()
        await asyncio.sleep(0)
        if self.lease is None:
            raise NotFound("no lease")
        return json.loads(json.dumps(self.lease))

    async def create(self, body: Body) -> Body:
        self._ask()
        if self.lease is not None:
            raise Conflict("the lease is there")
        return self._write(body)

    async def replace(self, body: Body) -> Body:
        self._ask()
        if self.lease is None:
            raise NotFound("no lease")
        if body["metadata"]["resourceVersion"] != self.version:
            raise Conflict("the lease has been modified")
        return self._write(body)

    @property
    def version(self) -> str:
        return (self.lease or {"metadata": {"resourceVersion": ""}})["metadata"]["resourceVersion"]

    @property
    def holder(self) -> str:
        return (self.lease or {"spec": {}})["spec"].get("holderIdentity", "")

    def _ask(self) -> None:
        if not self.reachable:
            raise Unavailable("no answer")

    def _write(self, body: Body) -> Body:
        self.writes += 1
        meta = body["metadata"] | {"resourceVersion": str(self.writes)}
        self.lease = json.loads(json.dumps(body | {"metadata": meta}))
        if not self.answers:
            raise Unavailable("the answer was lost")
        return json.loads(json.dumps(self.lease))


class Election:
    """Candidates at one Lease; `now` is the clock of them all."""

    def __init__(self) -> None:
        self.leases = Leases()
        self.now = 1000.0

    def candidate(self, name: str, *, offset: float = 0, leases: Any = None) -> Leadership:
        kube = leases or self.leases
        return Leadership(kube, "streamjob-system", name, lambda: self.now + offset)


def acts(one: Leadership) -> bool:
    return one.seconds_left > 0


@pytest.fixture
def election() -> Election:
    return Election()


async def test_the_first_candidate_leads_at_once(election: Election) -> None:
    first = election.candidate("first")
    assert await first.attempt()
    assert election.leases.holder == "first"
    assert first.seconds_left == HELD_SECONDS


async def test_a_held_lease_is_waited_for(election: Election) -> None:
    first, second = election.candidate("first"), election.candidate("second")
    await first.attempt()
    for _ in range(60):
        assert await first.renew()
        assert not await second.attempt()
        election.now += 1
    assert election.leases.holder == "first"


@pytest.mark.parametrize(
    ("seconds", "taken"), [(1, False), (LEASE_SECONDS - 0.1, False), (LEASE_SECONDS, True)]
)
async def test_a_lease_without_a_change_is_taken_after_its_duration(
    election: Election, *, seconds: float, taken: bool
) -> None:
    first, second = election.candidate("first"), election.candidate("second", offset=-500)
    await first.attempt()
    assert not await second.attempt()
    election.now += seconds
    assert await second.attempt() is taken
    assert election.leases.holder == ("second" if taken else "first")


async def test_a_longer_duration_in_the_record_is_respected(election: Election) -> None:
    first, second = election.candidate("first"), election.candidate("second")
    await first.attempt()
    assert election.leases.lease is not None
    election.leases.lease["spec"]["leaseDurationSeconds"] = 60
    await second.attempt()
    election.now += 59
    assert not await second.attempt()
    election.now += 1
    assert await second.attempt()


@pytest.mark.parametrize("exists", [False, True])
async def test_of_two_candidates_at_the_same_time_one_wins(
    election: Election, *, exists: bool
) -> None:
    if exists:
        before = election.candidate("before")
        await before.attempt()
        await before.release()
    both = [election.candidate("first"), election.candidate("second")]
    won = await asyncio.gather(*(each.attempt() for each in both))
    assert sorted(won) == [False, True]
    assert [each.identity for each in both if acts(each)] == [election.leases.holder]


@pytest.mark.parametrize("step", [0.1, 0.7, 1.0, 3.0])
async def test_a_leader_that_cannot_renew_stops_acting_before_another_may_start(
    election: Election, step: float
) -> None:
    first, second = election.candidate("first"), election.candidate("second")
    cut_off = election.leases
    cut_off_link = Leases()
    await first.attempt()
    cut_off_link.reachable = False
    first._kube = cut_off_link  # noqa: SLF001 - the first one's network is gone
    stopped_at = taken_at = None
    begun = election.now
    while taken_at is None and election.now < begun + 30:
        await first.renew()
        if await second.attempt():
            taken_at = election.now
        if stopped_at is None and not acts(first):
            stopped_at = election.now
        assert not (acts(first) and acts(second))
        election.now += step
    assert cut_off.holder == "second"
    assert stopped_at is not None
    assert taken_at is not None
    assert stopped_at < taken_at <= begun + LEASE_SECONDS + 2 * step


async def test_a_renewal_whose_answer_was_lost_is_found_again(election: Election) -> None:
    first = election.candidate("first")
    await first.attempt()
    election.leases.answers = False
    election.now += 2
    assert not await first.renew()
    assert first.seconds_left == HELD_SECONDS - 2
    election.leases.answers = True
    assert await first.renew()
    assert first.seconds_left == HELD_SECONDS


async def test_a_leader_whose_lease_was_taken_stops_at_once(election: Election) -> None:
    first = election.candidate("first")
    await first.attempt()
    assert election.leases.lease is not None
    election.leases.lease["spec"]["holderIdentity"] = "second"
    election.leases.lease["metadata"]["resourceVersion"] = "another"
    assert not await first.renew()
    assert not acts(first)


async def test_a_deleted_lease_is_no_released_one(election: Election) -> None:
    first, second = election.candidate("first"), election.candidate("second")
    await first.attempt()
    await second.attempt()
    election.leases.lease = None
    assert not await second.attempt()
    assert not await first.renew()
    assert not acts(first)
    election.now += LEASE_SECONDS
    assert await second.attempt()


async def test_a_released_lease_is_taken_at_once(election: Election) -> None:
    first, second = election.candidate("first"), election.candidate("second")
    await first.attempt()
    assert not await second.attempt()
    await first.release()
    assert not acts(first)
    assert election.leases.holder == ""
    assert await second.attempt()


async def test_a_release_never_takes_the_lease_from_another_one(election: Election) -> None:
    first, second = election.candidate("first"), election.candidate("second")
    await first.attempt()
    await second.attempt()
    election.now += LEASE_SECONDS
    await second.attempt()
    await first.release()
    assert election.leases.holder == "second"


async def test_an_act_is_cut_off_when_the_lease_is_lost_in_the_middle_of_it(
    election: Election,
) -> None:
    first = election.candidate("first")
    await first.attempt()
    begun = asyncio.Event()

    async def act() -> None:
        async with first.guard():
            begun.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(act())
    await begun.wait()
    assert election.leases.lease is not None
    election.leases.lease["spec"]["holderIdentity"] = "second"
    election.leases.lease["metadata"]["resourceVersion"] = "another"
    await first.renew()
    with pytest.raises(NotLeading):
        await asyncio.wait_for(task, 5)


async def test_a_renewal_prolongs_an_act_under_way(election: Election) -> None:
    first = election.candidate("first")
    await first.attempt()
    election.now += HELD_SECONDS - 1
    async with first.guard():
        (bound,) = first._bounds  # noqa: SLF001 - when the act would be cut off
        before = bound.when() or 0
        assert await first.renew()
        assert (bound.when() or 0) - before > HELD_SECONDS - 2


async def test_without_the_lease_a_pass_neither_records_nor_acts(election: Election) -> None:
    stage = Stage()
    leadership = election.candidate("first")
    stage.world = replace(stage.world, leadership=leadership)
    stage.apply()
    await leadership.attempt()
    election.now += HELD_SECONDS
    with pytest.raises(NotLeading):
        await look(stage)
    assert stage.calls.writes() == []


async def test_a_lease_lost_after_the_record_stops_the_act(election: Election) -> None:
    stage = Stage()
    leadership = election.candidate("first")
    stage.world = replace(stage.world, leadership=leadership)
    stage.apply()
    await leadership.attempt()
    recorded = stage.kube.apply_status

    async def record_and_lose(body: Body) -> Body:
        answer = await recorded(body)
        election.now += HELD_SECONDS
        return answer

    stage.kube.apply_status = record_and_lose  # type: ignore[method-assign]
    with pytest.raises(NotLeading):
        await looks(stage)
    assert {call.verb for call in stage.calls.writes()} == {"apply_status"}


async def looks(stage: Stage) -> None:
    for _ in range(5):
        await look(stage)


async def look(stage: Stage) -> None:
    await reconcile(stage.world, NAMESPACE, NAME, stage.memory)


class SlowLeases(Leases):
    """Each call takes more than half of the time that one may take: two together take more."""

    seconds = 0.0

    def __init__(self, election: Election) -> None:
        super().__init__()
        self._election = election

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        await self._take_time()
        return await super().get(kind, namespace, name)

    async def replace(self, body: Body) -> Body:
        await self._take_time()
        return await super().replace(body)

    async def _take_time(self) -> None:
        self._election.now += self.seconds
        await asyncio.sleep(self.seconds)


async def test_a_lease_can_be_taken_and_kept_where_each_call_is_slow(
    election: Election, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowLeases(election)
    before = election.candidate("before", leases=slow)
    await before.attempt()
    await before.release()
    monkeypatch.setattr(leadership, "CALL_SECONDS", 2)
    slow.seconds = 1.05
    first = election.candidate("first", leases=slow)
    assert await first.attempt()
    assert first.seconds_left > 0
    assert await first.renew()


async def test_a_slow_renewal_is_followed_by_the_next_one_at_once(
    election: Election, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = SlowLeases(election)
    first = election.candidate("first", leases=slow)
    await first.attempt()
    slow.seconds = RENEW_SECONDS + 1
    waits: list[float] = []

    async def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 5:
            election.now += HELD_SECONDS

    monkeypatch.setattr(leadership.asyncio, "sleep", wait)
    await first.keep()
    assert [each for each in waits if each != slow.seconds] == [RENEW_SECONDS, 0, 0]


async def test_a_process_that_lost_the_lease_waits_like_any_other_candidate(
    election: Election,
) -> None:
    first = election.candidate("first")
    await first.attempt()
    election.now += HELD_SECONDS
    again = first.again()
    assert not await again.attempt()
    election.now += LEASE_SECONDS - HELD_SECONDS - 0.1
    assert not await again.attempt()
    election.now += 0.1
    assert await again.attempt()
    assert again.identity != first.identity
    assert acts(again)
    assert not acts(first)


async def test_what_acted_for_an_old_term_does_not_act_in_a_new_one(election: Election) -> None:
    first = election.candidate("first")
    await first.attempt()
    election.now += LEASE_SECONDS
    assert await first.again().attempt()
    with pytest.raises(NotLeading):
        async with first.guard():
            pytest.fail("an act of a term that is over")
    assert not await first.renew()
