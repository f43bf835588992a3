"""The loop of one job: what it keeps, and how often it looks."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from streamjob_operator.errors import Conflict
from streamjob_operator.handlers import jobs as module
from streamjob_operator.handlers.jobs import Jobs
from streamjob_operator.reconcile import Outcome
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage

pytestmark = pytest.mark.unit


class Never(asyncio.Event):
    """Nobody asks the loop to end."""

    def __bool__(self) -> bool:
        return False


async def test_nothing_is_kept_of_a_resource_that_vanished_without_being_dismantled() -> None:
    jobs = Jobs(Stage().world)
    await asyncio.wait_for(jobs.follow(NAMESPACE, NAME, "uid", Never()), 10)
    assert jobs.memories == {}
    assert jobs.locks == {}


async def test_conflicts_in_a_row_are_met_less_and_less_often_but_every_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    jobs, waits = Jobs(Stage().world), []

    async def refused(_namespace: str, _name: str) -> Outcome | None:
        if len(waits) == 8:
            return None
        raise Conflict("somebody wrote in between")

    async def wait(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(jobs, "look", refused)
    monkeypatch.setattr(module.asyncio, "sleep", wait)
    await jobs.follow(NAMESPACE, NAME, "uid", Never())
    assert waits[0] < 0.06
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(waits[:5]))
    assert 0.9 <= waits[-1] <= 1.1
