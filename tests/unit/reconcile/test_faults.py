"""Every single call of every operation is answered with every kind of error, one at a time.

An error of a read, and one that time heals, changes nothing of what comes of the operation. A
refusal that the operation can't do without is a failure: `REFUSALS` says what becomes of each.
Status codes that the clients turn into the same error are the same answer here; which are, is
shown by the first tests below.
"""

from __future__ import annotations

from collections.abc import Callable
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
from tests.unit.reconcile.driver import Stage
from tests.unit.reconcile.operations import (
    CASES,
    Case,
    Rehearsal,
    check_at_end,
    check_fine,
    rehearse,
)

pytestmark = pytest.mark.unit

GIVEN_UP: Final = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}
SNAPSHOT_FAILED: Final = {"Ready": True, "Stalled": False, "LastOperationSucceeded": False}
"""The job is as it was wished, without the snapshot."""

KUBERNETES: Final[dict[str, StreamJobError]] = {
    "unavailable": Unavailable("no answer in time"),
    "conflict": Conflict("the object has been modified"),
    "forbidden": Rejected("forbidden: exceeded quota"),
}
FLINK: Final[dict[str, StreamJobError]] = {
    "unreachable": FlinkUnreachable("no answer in time"),
    "rejected": FlinkRejected("Checkpoint Coordinator is suspending"),
}
HEALED: Final = frozenset({"unavailable", "conflict", "unreachable", "lost"})
"""Answers that no operation may fail of, whatever call they answer."""


class _Response:
    def __init__(self, status: int) -> None:
        self.status = status

    async def read(self) -> bytes:
        return b'{"message": "told so"}'


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


# What becomes of an operation when a call is refused that it can't do without.


def _tried_again(case: Case, stage: Stage) -> None:
    """The warning was shown; another start, with nothing lost, came to the operation's end."""
    failed = {"run": "RunFailed", "resume": "ResumeFailed", "restart": "RestartFailed"}
    assert failed.get(case.name, "RecoverFailed") in _warnings(stage)
    case.check(stage, refused=1)
    check_fine(stage)


def _rolled_back(case: Case, stage: Stage) -> None:
    """The previous spec runs, from the snapshot that was taken; an edit gets over it."""
    assert (stage.status.state, stage.status.run) == ("Running", 3)
    assert stage.warning == f"{case.name.capitalize()}Failed"
    assert stage.conditions == GIVEN_UP
    assert stage.status.snapshot is not None
    assert stage.job.restored_path == stage.status.snapshot.path
    assert len(stage.triggers) == 1


def _runs_on(case: Case, stage: Stage) -> None:
    """No snapshot came of it, and the job is as it was."""
    assert (stage.status.state, stage.status.run) == ("Running", 1)
    assert stage.warning == f"{case.name.capitalize()}Failed"
    assert stage.conditions == (SNAPSHOT_FAILED if case.name == "snapshot" else GIVEN_UP)
    assert stage.job.state == "RUNNING"
    assert stage.triggers == set()


REFUSALS: Final[dict[tuple[str, str], Callable[[Case, Stage], None]]] = {
    ("run", "object"): _tried_again,
    ("resume", "object"): _tried_again,
    ("restart", "object"): _tried_again,
    ("recover", "object"): _tried_again,
    ("upgrade", "object"): _rolled_back,
    ("pause", "savepoint"): _runs_on,
    ("upgrade", "savepoint"): _runs_on,
    ("restart", "savepoint"): _runs_on,
    ("snapshot", "savepoint"): _runs_on,
}
"""By operation, and by what was refused: an object of the run, or the savepoint.

All other refusals, of reads, of status, of events, of what is to be removed, and of a cancel, are
got over without a word.
"""

SECOND_TRIES: Final[dict[str, Callable[[Stage], None]]] = {
    "pause": lambda stage: stage.edit(snapshots={"retain": 5}),
    "upgrade": lambda stage: stage.edit(parallelism=3),
    "restart": lambda stage: stage.edit(restartNonce="2"),
    "snapshot": lambda stage: stage.edit(snapshotNonce="2"),
}
"""What the user does when an operation was given up; then it succeeds."""


def _refused(call: Call, kind: str) -> str:
    """What the operation goes without, where that matters."""
    if kind == "rejected" and call.verb in {"stop_with_savepoint", "savepoint"}:
        return "savepoint"
    of_run = call.verb == "apply" or (
        call.verb == "get" and call.what.split()[0] not in {"StreamJob", "Node"}
    )
    return "object" if kind == "forbidden" and of_run else ""


def _warnings(stage: Stage) -> list[str]:
    return [status.warning.reason for status in stage.history if status.warning is not None]


def _answers(rehearsal: Rehearsal) -> list[tuple[int, Call, str, Answer]]:
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
    rehearsal = await rehearse(case)
    for number, call, kind, answer in _answers(rehearsal):
        stage = rehearsal.before(number)
        stage.calls.answers[number] = answer
        becomes = REFUSALS.get((case.name, _refused(call, kind)))
        try:
            await stage.settle()
            check_at_end(case, stage)
            if becomes is not None:
                assert kind not in HEALED
                becomes(case, stage)
                continue
            case.check(stage)
            check_fine(stage)
            assert all("Failed" not in warning for warning in _warnings(stage))
        except AssertionError as error:
            error.add_note(f"{kind} for call {number}, {call}: {stage.told()}")
            raise


@pytest.mark.parametrize(
    "case", [case for case in CASES if case.name in SECOND_TRIES], ids=lambda case: case.name
)
async def test_what_was_given_up_after_a_refusal_succeeds_when_it_is_asked_for_anew(
    case: Case,
) -> None:
    rehearsal = await rehearse(case)
    given_up = [
        (number, call, answer)
        for number, call, kind, answer in _answers(rehearsal)
        if REFUSALS.get((case.name, _refused(call, kind))) in {_runs_on, _rolled_back}
    ]
    for number, call, answer in {given_up[0], given_up[1 % len(given_up)], given_up[-1]}:
        stage = rehearsal.before(number)
        stage.calls.answers[number] = answer
        await stage.settle()
        run, triggers = stage.status.run or 0, len(stage.triggers)

        SECOND_TRIES[case.name](stage)
        await stage.settle()

        try:
            check_at_end(case, stage)
            check_fine(stage)
            assert len(stage.triggers) == triggers + 1
            assert stage.status.state == ("Paused" if case.name == "pause" else "Running")
            assert stage.status.run == run + (case.name in {"upgrade", "restart"})
        except AssertionError as error:
            error.add_note(f"{call}: {stage.told()}")
            raise
