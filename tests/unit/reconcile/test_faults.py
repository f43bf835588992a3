"""Every single call of every operation is answered with every kind of error, one at a time.

Status codes that the clients turn into the same error are the same answer here; which are, is
shown by the first tests below.
"""

from __future__ import annotations

from typing import Final, cast

import aiohttp
import pytest
from kubernetes.aio import client as aio

from streamjob_operator.errors import (
    Conflict,
    FlinkRejected,
    FlinkUnreachable,
    KubernetesError,
    Rejected,
    StreamJobError,
    Unavailable,
)
from streamjob_operator.kube import kinds
from streamjob_operator.kube.client import AioKubeClient
from tests.fakes.calls import Answer, Call
from tests.unit.reconcile.answers import REFUSALS, check_outcome, refused, rolled_back
from tests.unit.reconcile.operations import (
    CASES,
    Case,
    Rehearsal,
    Truthful,
    check_at_end,
    check_fine,
    rehearse,
)

pytestmark = pytest.mark.unit

KUBERNETES: Final[dict[str, StreamJobError]] = {
    "unavailable": Unavailable("no answer in time"),
    "conflict": Conflict("the object has been modified"),
    "forbidden": Rejected("forbidden: exceeded quota"),
}
FLINK: Final[dict[str, StreamJobError]] = {
    "unreachable": FlinkUnreachable("no answer in time"),
    "rejected": FlinkRejected("Checkpoint Coordinator is suspending"),
}


class _Response:
    def __init__(self, status: int) -> None:
        self.status = status

    async def read(self) -> bytes:
        return b'{"message": "told so"}'

    def getheaders(self) -> dict[str, str]:
        return {}


class _Api:
    """The official client, as far as it is used, with one answer for everything."""

    def __init__(self, answer: int | Exception) -> None:
        self._answer = answer

    async def param_serialize(self, *_: object, **__: object) -> tuple[object, ...]:
        return ()

    async def call_api(self, *_: object, **__: object) -> _Response:
        if isinstance(self._answer, Exception):
            raise self._answer
        return _Response(self._answer)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (TimeoutError(), "unavailable"),
        (ConnectionResetError(104, "Connection reset by peer"), "unavailable"),
        (aiohttp.ServerDisconnectedError(), "unavailable"),
        (409, "conflict"),
        (410, "unavailable"),
        (429, "unavailable"),
        (500, "unavailable"),
        (502, "unavailable"),
        (503, "unavailable"),
        (504, "unavailable"),
        (403, "forbidden"),
    ],
)
async def test_what_the_api_server_answers_is_one_of_the_kinds(
    answer: int | Exception, kind: str
) -> None:
    kube = AioKubeClient(cast("aio.ApiClient", _Api(answer)), timeout_seconds=1)

    with pytest.raises(KubernetesError) as raised:
        await kube.get(kinds.STREAM_JOB, "shop", "orders")

    assert type(raised.value) is type(KUBERNETES[kind])


def _answers(rehearsal: Rehearsal[Truthful]) -> list[tuple[int, Call, str, Answer]]:
    """Each call with each kind of answer that it can get.

    A read is in conflict with nothing, and one whose answer is lost is one that timed out.
    """
    found = []
    for number, call in rehearsal.calls.items():
        errors = KUBERNETES if call.system == "kube" else FLINK
        found += [
            (number, call, kind, Answer(error))
            for kind, error in errors.items()
            if call.is_act or kind != "conflict"
        ]
        if call.is_act:
            timeout = next(iter(errors.values()))
            found.append((number, call, "lost", Answer(timeout, carried_out=True)))
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_whatever_a_call_is_answered_with_the_operation_ends_as_the_table_says(
    case: Case,
) -> None:
    rehearsal = await rehearse(case, Truthful)
    for number, call, kind, answer in _answers(rehearsal):
        stage = rehearsal.before(number)
        stage.calls.answers[number] = answer
        try:
            await stage.settle()
            check_outcome(case, stage, call, kind)
        except AssertionError as error:
            error.add_note(f"{kind} for call {number}, {call}: {stage.told()}")
            raise


async def test_an_upgrade_that_was_rolled_back_after_a_refusal_succeeds_with_another_edit() -> None:
    case = next(case for case in CASES if case.name == "upgrade")
    rehearsal = await rehearse(case, Truthful)
    given_up = [
        (number, call, answer)
        for number, call, kind, answer in _answers(rehearsal)
        if REFUSALS.get((case.name, refused(call, kind))) is rolled_back
    ]
    for number, call, answer in {given_up[0], given_up[1], given_up[-1]}:
        stage = rehearsal.before(number)
        stage.calls.answers[number] = answer
        await stage.settle()
        run, triggers = stage.status.run or 0, len(stage.triggers)

        stage.edit(parallelism=3)
        await stage.settle()

        try:
            check_at_end(case, stage)
            check_fine(stage)
            assert len(stage.triggers) == triggers + 1
            assert (stage.status.state, stage.status.run) == ("Running", run + 1)
        except AssertionError as error:
            error.add_note(f"{call}: {stage.told()}")
            raise
