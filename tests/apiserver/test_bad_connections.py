"""The operator where its way to the API server is bad: away, cut off, slow, throttled, no watches.

All scenarios run at the same time, each in a namespace and with a Lease of its own; each test says
one thing that was to be seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from streamjob_operator.handlers.health import SILENT_SECONDS
from streamjob_operator.kube.leadership import HELD_SECONDS, LEASE_SECONDS
from tests.apiserver import scenarios
from tests.apiserver.apiserver import ApiServer
from tests.apiserver.churn import BriefKubelet
from tests.apiserver.operators import NO_ANSWER, Place, place
from tests.apiserver.proxy import by_kind, most_per_second
from tests.apiserver.scenarios import OUTAGE_SECONDS, Seen

pytestmark = pytest.mark.apiserver

Scenario = Callable[[Place], Awaitable[Seen]]

CATCHES_UP_SECONDS: Final = 45
"""After an outage: 1 s until the lease is looked at, 10 where its last renewal got lost, 5 over
which the first looks at all jobs are spread, a Pause. The rest is for machines that are busy.
"""
TAKEN_OVER_SECONDS: Final = 15
MOST_IN_A_SECOND: Final = 40
"""What five jobs and five watches may ask for when they begin or fail at the same time."""
MOST_ON_AVERAGE: Final = 5
"""Calls per second over an outage."""
STOOD_STILL_SECONDS: Final = 1.0
"""A machine on which everything stops for so long may cost an operator its lease where each call
takes half of what it may take.
"""

SCENARIOS: Final[dict[str, Scenario]] = {
    "away": scenarios.away,
    "cut_off": scenarios.cut_off,
    "slow": scenarios.slow,
    "slow_from_the_start": scenarios.slow_from_the_start,
    "throttled": scenarios.throttled,
    "watches_end": partial(scenarios.without_watches, how="watches_end"),
    "watches_expire": partial(scenarios.without_watches, how="watches_expire"),
    "churned": scenarios.churned,
}


class Outcomes:
    """What came of each scenario; the tests of one that failed fail with it."""

    def __init__(self, found: dict[str, Seen | BaseException]) -> None:
        self._found = found

    def of(self, name: str) -> Seen:
        found = self._found[name]
        if isinstance(found, BaseException):
            raise found
        return found


@pytest.fixture(scope="module")
def outcomes(
    deployed: ApiServer, operator_kubeconfig: Path, tmp_path_factory: pytest.TempPathFactory
) -> Outcomes:
    async def one(name: str, scenario: Scenario) -> Seen:
        directory = tmp_path_factory.mktemp(name)
        async with place(deployed, operator_kubeconfig, directory, BriefKubelet) as where:
            return await scenario(where)

    async def all_at_once() -> Outcomes:
        running = [one(*each) for each in SCENARIOS.items()]
        found = await asyncio.gather(*running, return_exceptions=True)
        return Outcomes(dict(zip(SCENARIOS, found, strict=True)))

    return asyncio.run(all_at_once())


def assert_one_term(seen: Seen, begin: str, end: str) -> None:
    terms = seen.facts["lease"]["leaseTransitions"]
    stood_still = seen.place.stood_still(seen.times[begin], seen.times[end])
    if terms > 1 and stood_still > STOOD_STILL_SECONDS:
        pytest.skip(f"nothing ran on this machine for {stood_still:.1f} s")
    assert terms == 1


@pytest.mark.failure(
    what="The API server is away",
    shown="the operator's process lives on, not ready; what was wished meanwhile is done after",
    kept="the jobs: each in the same run, none asked for a snapshot that was not wished",
)
def test_jobs_and_the_operator_outlive_an_outage(outcomes: Outcomes) -> None:
    seen = outcomes.of("away")
    operator = seen.facts["operator"]
    assert seen.facts["alive"]
    alive = operator.probed("healthz", seen.times["begun"], seen.times["checked"])
    # A busy machine may be late with one.
    assert alive.count(200) > 0.8 * len(alive)
    assert seen.facts["others"] == {1}
    assert seen.facts["disturbed"] == []
    assert len(seen.facts["triggers"]) == 1


def test_what_was_wished_in_an_outage_is_done_soon_after(outcomes: Outcomes) -> None:
    assert outcomes.of("away").seconds("ended", "paused") < CATCHES_UP_SECONDS


def test_an_operator_without_the_api_server_is_not_ready(outcomes: Outcomes) -> None:
    seen = outcomes.of("away")
    operator = seen.facts["operator"]
    begun, ended = seen.times["begun"], seen.times["ended"]
    noticed = begun + SILENT_SECONDS + 5
    assert set(operator.probed("readyz", begun - 3, begun)) - {NO_ANSWER} == {200}
    assert set(operator.probed("readyz", noticed, ended)) - {NO_ANSWER} == {503}
    assert operator.probed("readyz", ended, seen.times["checked"])[-1] == 200


def test_an_outage_is_no_reason_to_ask_more_often(outcomes: Outcomes) -> None:
    seen = outcomes.of("away")
    operator = seen.facts["operator"]
    tried = operator.connections(seen.times["begun"], seen.times["ended"])
    assert most_per_second(tried) <= MOST_IN_A_SECOND
    assert 0.3 * OUTAGE_SECONDS < len(tried) < MOST_ON_AVERAGE * OUTAGE_SECONDS
    after = operator.proxy.since(seen.times["ended"], seen.times["checked"])
    assert most_per_second([it.at for it in after if it.path.endswith("/streamjobs")]) < 5


@pytest.mark.failure(
    what="The leading operator is cut off from the API server",
    shown="its standby takes over within 15 seconds and ends the Pause that was under way",
    kept="one snapshot; the operator that was cut off does nothing until it leads again",
)
def test_a_standby_takes_over_from_a_leader_that_is_cut_off(outcomes: Outcomes) -> None:
    seen = outcomes.of("cut_off")
    assert seen.seconds("begun", "taken") < TAKEN_OVER_SECONDS
    assert len(seen.facts["triggers"]) == 1


def test_a_leader_that_is_cut_off_does_nothing_from_when_its_lease_may_be_taken(
    outcomes: Outcomes,
) -> None:
    seen = outcomes.of("cut_off")
    leader = seen.facts["leader"]
    renewed, again = seen.times["renewed"], seen.times["leads again"]
    asked = leader.flink.since(renewed + HELD_SECONDS, again)
    assert [it for it in asked if it.method != "GET"] == []
    assert leader.flink.since(renewed + LEASE_SECONDS, again - 1) == []
    passed_on = leader.proxy.passed_on
    late = [it for it in passed_on if seen.times["begun"] < it.at < seen.times["standby ends"]]
    assert [it for it in late if it.is_write] == []


def test_of_two_operators_one_leads_when_both_are_back(outcomes: Outcomes) -> None:
    seen = outcomes.of("cut_off")
    assert seen.facts["standby leads"]
    assert seen.facts["alive"]
    assert seen.facts["run"] == 2


@pytest.mark.failure(
    what="The API server is slow",
    shown="2 s for each call: Paused all the same, and the leader stays the leader",
    kept="one snapshot",
)
@pytest.mark.failure(
    what="The API server puts calls off (429)",
    shown="every second call: Paused all the same, and the leader stays the leader",
    kept="one snapshot",
)
@pytest.mark.parametrize("name", ["slow", "throttled"])
def test_a_pause_is_done_where_calls_are(outcomes: Outcomes, name: str) -> None:
    seen = outcomes.of(name)
    assert len(seen.facts["triggers"]) == 1
    assert seen.facts["alive"]
    assert_one_term(seen, "pause asked", "paused")


@pytest.mark.parametrize("name", ["slow", "throttled"])
def test_a_bad_answer_is_no_reason_to_ask_more_often_where_calls_are(
    outcomes: Outcomes, name: str
) -> None:
    seen = outcomes.of(name)
    asked = seen.facts["operator"].proxy.since(seen.times["pause asked"], seen.times["paused"])
    assert most_per_second([it.at for it in asked]) <= MOST_IN_A_SECOND
    assert len(asked) < MOST_ON_AVERAGE * seen.seconds("pause asked", "paused"), by_kind(asked)


def test_an_operator_comes_to_lead_where_calls_are_slow(outcomes: Outcomes) -> None:
    seen = outcomes.of("slow_from_the_start")
    assert seen.seconds("begun", "leads") < 60
    assert_one_term(seen, "begun", "ended")


@pytest.mark.failure(
    what="Watches do not work",
    shown="they are begun anew more and more seldom; wishes are seen by the looks at all jobs",
    kept="the jobs; the API server is not asked more often for it",
)
@pytest.mark.parametrize("name", ["watches_end", "watches_expire"])
def test_watches_that_never_last_cause_no_storm(outcomes: Outcomes, name: str) -> None:
    seen = outcomes.of(name)
    asked = seen.facts["operator"].proxy.since(seen.times["begun"], seen.times["ended"])
    assert len(asked) < MOST_ON_AVERAGE * OUTAGE_SECONDS, by_kind(asked)
    # Each step of the Pause waits for a look that is due anyway.
    assert seen.seconds("pause asked", "paused") < 2 * CATCHES_UP_SECONDS


def test_a_job_that_is_gone_leaves_nothing_in_the_operators_memory(outcomes: Outcomes) -> None:
    seen = outcomes.of("churned")
    assert seen.facts["gone"] == 12
    assert seen.facts["left"] == {}
