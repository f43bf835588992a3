"""What becomes of an operation when one of its calls is answered with an error.

An error of a read, and one that time heals, changes nothing of what comes of the operation. A
refusal that the operation can't do without is a failure: `REFUSALS` says what becomes of each.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tests.fakes.calls import Call
from tests.unit.reconcile.driver import Stage
from tests.unit.reconcile.operations import Case, check_at_end, check_fine

GIVEN_UP: Final = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}

HEALED: Final = frozenset({"unavailable", "conflict", "unreachable", "lost"})
"""Answers that no operation may fail of, whatever call they answer. The others: a refusal."""


def tried_again(case: Case, stage: Stage) -> None:
    """The warning was shown; another start, with nothing lost, came to the operation's end."""
    failed = {"run": "RunFailed", "resume": "ResumeFailed", "restart": "RestartFailed"}
    assert failed.get(case.name, "RecoverFailed") in _warnings(stage)
    case.check(stage, refused=1)
    check_fine(stage)


def rolled_back(case: Case, stage: Stage) -> None:
    """The previous spec runs, from the snapshot that was taken; an edit gets over it."""
    assert (stage.status.state, stage.status.run) == ("Running", 3)
    assert stage.warning == f"{case.name.capitalize()}Failed"
    assert stage.conditions == GIVEN_UP
    assert stage.status.snapshot is not None
    assert stage.job.restored_path == stage.status.snapshot.path
    assert len(stage.triggers) == 1


def asked_again(case: Case, stage: Stage) -> None:
    """The warning was shown; another request for a snapshot came to the operation's end."""
    assert f"{case.name.capitalize()}Failed" in _warnings(stage)
    case.check(stage)
    check_fine(stage)


REFUSALS: Final[dict[tuple[str, str], Callable[[Case, Stage], None]]] = {
    ("run", "object"): tried_again,
    ("resume", "object"): tried_again,
    ("restart", "object"): tried_again,
    ("recover", "object"): tried_again,
    ("upgrade", "object"): rolled_back,
    ("pause", "savepoint"): asked_again,
    ("upgrade", "savepoint"): asked_again,
    ("restart", "savepoint"): asked_again,
    ("snapshot", "savepoint"): asked_again,
}
"""By operation, and by what was refused: an object of the run, or the savepoint.

All other refusals, of reads, of status, of events, of what is to be removed, and of a cancel, are
got over without a word.
"""


def refused(call: Call, kind: str) -> str:
    """What the operation goes without, where that matters."""
    if kind == "rejected" and call.verb in {"stop_with_savepoint", "savepoint"}:
        return "savepoint"
    of_run = call.verb == "apply" or (
        call.verb == "get" and call.what.split()[0] not in {"StreamJob", "Node"}
    )
    return "object" if kind == "forbidden" and of_run else ""


def _warnings(stage: Stage) -> list[str]:
    return [status.warning.reason for status in stage.history if status.warning is not None]


def check_outcome(case: Case, stage: Stage, call: Call, kind: str) -> None:
    """The operation has ended as the table says. Raises AssertionError if it has not."""
    check_at_end(case, stage)
    becomes = REFUSALS.get((case.name, refused(call, kind)))
    if becomes is not None:
        assert kind not in HEALED
        becomes(case, stage)
        return
    case.check(stage)
    check_fine(stage)
    assert all("Failed" not in warning for warning in _warnings(stage))
