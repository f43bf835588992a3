"""The operator is killed right before and right after every single call that it makes."""

from __future__ import annotations

import pytest

from tests.unit.reconcile.operations import (
    CASES,
    Case,
    Truthful,
    check_at_end,
    check_fine,
    crash_points,
    die_and_go_on,
    rehearse,
)

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_killed_at_any_call_the_operation_comes_to_the_same_end(case: Case) -> None:
    rehearsal = await rehearse(case, Truthful)
    for number, how in crash_points(rehearsal):
        await die_and_go_on(case, rehearsal, number, how)


@pytest.mark.parametrize("every", [17, 29])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_killed_again_and_again_the_operation_comes_to_the_same_end(
    case: Case, every: int
) -> None:
    stage = await case.begin(Truthful)
    case.change(stage)
    for _ in range(12):
        stage.calls.kill_after = len(stage.calls.made) + every
        await stage.look()

    await stage.settle()

    case.check(stage)
    check_at_end(case, stage)
    check_fine(stage)
