"""Single calls of every operation are answered with errors, over HTTP, on a real API server.

Each call that changes something gets every answer; a third of the reads get one of them, others
with another `ANSWERS_SEED`. (With fakes, in tests/unit/reconcile, all calls get all errors.)
"""

from __future__ import annotations

import os
import random
from functools import partial
from typing import Final

import pytest

from tests.apiserver.crashes.server import Server
from tests.apiserver.crashes.stage import ServerStage
from tests.apiserver.crashes.wire import WireAnswer
from tests.apiserver.crashes.workers import Share, Workers
from tests.fakes.calls import Call
from tests.unit.reconcile.answers import check_outcome
from tests.unit.reconcile.operations import CASES, Case, rehearse

pytestmark = pytest.mark.apiserver

SEED: Final = int(os.environ.get("ANSWERS_SEED", "0"))

HUNG: Final = WireAnswer()
LATE: Final = WireAnswer(carried_out=True)
RESET: Final = WireAnswer(is_cut=True, carried_out=True)
EVERY_THIRD: Final = 3
"""So many reads are answered with an error."""


def kubernetes(number: int) -> dict[WireAnswer, str]:
    """All answers to a call, with what they mean in the words of the harness of fakes.

    Calls with an even number get the one, those with an odd number the other of two that are alike.
    """
    is_even = number % 2 == 0
    return {
        HUNG: "unavailable",
        LATE if is_even else RESET: "lost",
        WireAnswer(403): "forbidden",
        WireAnswer(409): "conflict",
        WireAnswer(410): "unavailable",
        WireAnswer(429): "unavailable",
        WireAnswer(500) if is_even else WireAnswer(503, explained=False): "unavailable",
    }


def flink(number: int) -> dict[WireAnswer, str]:
    """As for Kubernetes. Flink says 500 where it has looked at the request and refuses it."""
    is_even = number % 2 == 0
    return {
        HUNG: "unreachable",
        LATE if is_even else RESET: "lost",
        WireAnswer(403): "rejected",
        WireAnswer(409): "rejected",
        WireAnswer(410): "rejected",
        WireAnswer(429): "rejected",
        WireAnswer(500): "rejected",
        WireAnswer(503, explained=False): "unreachable",
    }


def planned(case: Case, calls: dict[int, Call]) -> list[tuple[int, Call, WireAnswer, str]]:
    """Calls and an answer to each, with what that answer means."""
    dice = random.Random(f"{SEED} {case.name}")
    found = []
    for number, call in calls.items():
        answers = (kubernetes if call.system == "kube" else flink)(number)
        one = dice.choice(list(answers))
        sampled = [one] if dice.randrange(EVERY_THIRD) == 0 else []
        chosen = answers if call.is_act else sampled
        found += [(number, call, answer, answers[answer]) for answer in chosen]
    return found


@pytest.mark.failure(
    what="A call is answered with an error, or its answer is lost",
    shown="what comes of the operation, without a warning; for a refusal of what it can't do "
    "without: the operation's warning",
    kept="every snapshot; no run is submitted twice, no second snapshot is asked for",
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_whatever_a_call_is_answered_with_the_operation_ends_as_the_table_says(
    case: Case, workers: Workers
) -> None:
    async def replay(server: Server, share: Share) -> None:
        rehearsal = await rehearse(case, partial(ServerStage, server))
        for number, call, answer, kind in share.of(planned(case, rehearsal.calls)):
            stage = rehearsal.before(number)
            stage.answers[number] = answer
            try:
                await stage.settle()
                check_outcome(case, stage, call, kind)
            except AssertionError as error:
                error.add_note(f"{answer} for call {number}, {call}: {stage.told()}")
                raise

    await workers.do(replay)
