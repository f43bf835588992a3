"""The operator is killed right before and right after every single call that it makes.

Right after a read is right before the next call: the world is the same, and its memory is lost.
"""

from __future__ import annotations

import pytest

from tests.unit.reconcile.operations import CASES, Case, check_at_end, check_fine, rehearse

pytestmark = pytest.mark.unit


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_killed_at_any_call_the_operation_comes_to_the_same_end(case: Case) -> None:
    rehearsal = await rehearse(case)
    for number, call in rehearsal.calls.items():
        for how in ("kill_before", "kill_after") if call.is_act else ("kill_before",):
            stage = rehearsal.before(number)
            setattr(stage.calls, how, number)
            try:
                await stage.settle()
                assert stage.kills == 1
                case.check(stage)
                check_at_end(case, stage)
                check_fine(stage)
            except AssertionError as error:
                error.add_note(f"{how} {number}, {call}: {stage.told()}")
                raise


@pytest.mark.parametrize("every", [17, 29])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_killed_again_and_again_the_operation_comes_to_the_same_end(
    case: Case, every: int
) -> None:
    stage = await case.begin()
    case.change(stage)
    for _ in range(12):
        stage.calls.kill_after = len(stage.calls.made) + every
        await stage.look()

    await stage.settle()

    case.check(stage)
    check_at_end(case, stage)
    check_fine(stage)
