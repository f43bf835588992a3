"""Every call that the operator makes of the outside world: counted, and failing on command."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

WRITES: Final = frozenset(
    {"apply", "apply_status", "create", "delete", "delete_all", "merge", "replace"}
)
"""The verbs of the Kubernetes API that change something."""

REQUESTS: Final = frozenset({"stop_with_savepoint", "savepoint", "cancel", "dispose_savepoint"})
"""What changes something in Flink."""


class Killed(BaseException):
    """The operator's process ends here; no handler of errors sees it."""


@dataclass(frozen=True)
class Call:
    """One call: of `kube` or `flink`, the client's method, and what it was about."""

    system: str
    verb: str
    what: str

    @property
    def is_write(self) -> bool:
        """It changes something in Kubernetes."""
        return self.system == "kube" and self.verb in WRITES

    @property
    def is_act(self) -> bool:
        """It changes something, in Kubernetes or in Flink."""
        return self.is_write or self.verb in REQUESTS


@dataclass(frozen=True)
class Answer:
    """What the operator gets for one call; `carried_out`: after the work was done all the same."""

    error: Exception
    carried_out: bool = False


@dataclass
class _Fault:
    system: str
    verb: str
    what: str
    error: Exception
    times: int
    answer_lost: bool

    def concerns(self, call: Call) -> bool:
        return (
            self.times > 0
            and self.system == call.system
            and self.verb in {"", call.verb}
            and self.what in call.what
        )


@dataclass
class Calls:
    """The record of all calls, and what is to go wrong with the next ones."""

    made: list[Call] = field(default_factory=list)
    kill_before: int | None = None
    """The operator dies when it makes this call, counted from 1: nothing comes of the call."""
    kill_after: int | None = None
    """The operator dies when this call is done: it never sees the answer."""
    answers: dict[int, Answer] = field(default_factory=dict)
    """What single calls, counted from 1, are answered with."""
    _faults: list[_Fault] = field(default_factory=list)

    def fail(
        self,
        system: str,
        verb: str,
        error: Exception,
        *,
        what: str = "",
        times: int = 1,
        answer_lost: bool = False,
    ) -> None:
        """Let the next calls of this kind raise; `answer_lost`: after they were carried out."""
        self._faults.append(_Fault(system, verb, what, error, times, answer_lost))

    def heal(self) -> None:
        """Nothing goes wrong any more."""
        self._faults.clear()

    @contextmanager
    def call(self, system: str, verb: str, what: str) -> Iterator[None]:
        """One call; the body carries it out."""
        call = Call(system, verb, what)
        self.made.append(call)
        number = len(self.made)
        if number == self.kill_before:
            raise Killed
        answer = self.answers.get(number)
        if answer is not None and not answer.carried_out:
            raise answer.error
        fault = next((fault for fault in self._faults if fault.concerns(call)), None)
        if fault is not None:
            fault.times -= 1
            if not fault.answer_lost:
                raise fault.error
        try:
            yield
            if fault is not None:
                raise fault.error
        finally:
            if number == self.kill_after:
                raise Killed
            if answer is not None:
                raise answer.error

    def of(self, system: str, verb: str = "", since: int = 0) -> list[Call]:
        """The calls of a kind, without the first `since` of all."""
        return [
            call for call in self.made[since:] if call.system == system and verb in {"", call.verb}
        ]

    def writes(self, since: int = 0) -> list[Call]:
        """The calls that changed something in Kubernetes, without the first `since` of all."""
        return [call for call in self.made[since:] if call.is_write]
