"""Every operation, from its change to its end: what the harnesses of crashes and faults disturb."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, Protocol, TypeVar

from streamjob_operator.kube import kinds
from tests.fakes.calls import Call
from tests.unit.reconcile.driver import Stage

FINE: Final = {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}
STATE_STAYS: Final = frozenset({"run", "pause", "resume", "upgrade", "recover", "restart"})
"""Operations that never let go of a snapshot that status has named."""


class Truthful(Stage):
    """A stage that compares what status says with what is, after each pass that was not cut off."""

    def check(self) -> None:
        status = self.status
        alive = [job for job in self.flink.alive if job.begun]
        if status.state == "Running":
            (job,) = alive
            assert job.overview().all_tasks_run
        if status.state in {"Paused", "Stopped"}:
            assert alive == []
            assert self.kube.select(kinds.POD, self.namespace) == []
        if status.state == "Paused":
            assert status.snapshot is not None
        if status.snapshot is not None:
            assert status.snapshot.path in self.flink.files
        assert self.kubelet.violations == []


_Truthful = TypeVar("_Truthful", bound=Truthful)


class Check(Protocol):
    """Whether the operation came to its end; `refused`: so many starts failed before that."""

    def __call__(self, stage: Stage, *, refused: int = 0) -> None:
        """Raises AssertionError if it did not."""
        ...


@dataclass(frozen=True)
class Case:
    """One operation: the job before it (its last wish), what sets it off, and its end."""

    name: str
    wish: str | None
    change: Callable[[Stage], None]
    check: Check

    async def begin(self, make: Callable[[], _Truthful]) -> _Truthful:
        """The job a moment before the change."""
        stage = make()
        stage.flink.program = stage.run_at_once
        if self.wish is None:
            return stage
        stage.apply()
        await stage.settle()
        if self.wish != "Running":
            stage.wish(self.wish)
            await stage.settle()
        assert stage.status.state == self.wish, stage.told()
        return stage


@dataclass(frozen=True)
class Rehearsal(Generic[_Truthful]):
    """An operation that nothing disturbed: its calls, and the world before each of its passes."""

    calls: dict[int, Call]
    """By number, as `Calls` counts."""
    passes: tuple[tuple[int, Callable[[], _Truthful]], ...]
    """With the number of calls made before the pass."""

    def before(self, number: int) -> _Truthful:
        """The world before the pass that makes this call."""
        return next(again for made, again in reversed(self.passes) if made < number)()


async def rehearse(case: Case, make: Callable[[], _Truthful]) -> Rehearsal[_Truthful]:
    """Let the operation come to its end undisturbed, on the stage that `make` makes."""
    stage = await case.begin(make)
    made = stage.calls.made
    mark = len(made)
    passes: list[tuple[int, Callable[[], _Truthful]]] = []
    case.change(stage)
    await stage.settle(before_pass=lambda it: passes.append((len(made), it.frozen())))
    case.check(stage)
    check_at_end(case, stage)
    return Rehearsal(dict(enumerate(made[mark:], mark + 1)), tuple(passes))


def crash_points(rehearsal: Rehearsal[_Truthful]) -> list[tuple[int, str]]:
    """Where the operator can die: the number of a call, and how `Calls` names it.

    Right after a read is right before the next call: the world is the same, and its memory is lost.
    """
    return [
        (number, how)
        for number, call in rehearsal.calls.items()
        for how in (("kill_before", "kill_after") if call.is_act else ("kill_before",))
    ]


async def die_and_go_on(case: Case, rehearsal: Rehearsal[_Truthful], number: int, how: str) -> None:
    """The operator dies there, another one goes on: the operation comes to the same end."""
    stage = rehearsal.before(number)
    setattr(stage.calls, how, number)
    try:
        await stage.settle()
        assert stage.kills == 1
        case.check(stage)
        check_at_end(case, stage)
        check_fine(stage)
    except AssertionError as error:
        error.add_note(f"{how} {number}, {rehearsal.calls[number]}: {stage.told()}")
        raise


def check_at_end(case: Case, stage: Stage) -> None:
    """What holds at the end, whether the operation succeeded or not."""
    assert stage.kubelet.violations == []
    assert stage.status.operation is None
    check_lineage(stage)
    named = [status.snapshot.path if status.snapshot else "" for status in stage.history]
    if case.name in STATE_STAYS:
        first = next((index for index, path in enumerate(named) if path), len(named))
        assert "" not in named[first:]


def check_lineage(stage: Stage) -> None:
    """Each run was submitted once, and goes on from the newest state of the one before it."""
    jobs = [job for job in stage.flink.jobs_by_address.values() if job.begun]
    assert all(job.took_over_from is None for job in jobs)
    for before, job in itertools.pairwise(jobs):
        assert job.restored_path in before.since_last_commit()
    assert jobs == [] or jobs[0].restored_path is None


def check_fine(stage: Stage) -> None:
    """Nothing is shown but success."""
    assert stage.conditions == FINE
    assert stage.warning is None


def _is_running_afresh(stage: Stage, *, refused: int = 0) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 1 + refused)
    assert stage.job.restored_path is None


def _is_paused(stage: Stage, *, refused: int = 0) -> None:
    assert refused == 0
    assert stage.status.state == "Paused"
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.origin == "Pause"
    assert len(stage.triggers) == 1
    assert _left(stage) == []


def _goes_on_from_savepoint(stage: Stage, *, refused: int = 0) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 2 + refused)
    assert stage.status.snapshot is not None
    assert stage.job.restored_path == stage.status.snapshot.path
    assert stage.job_of(1).savepoints.keys() == stage.triggers
    assert len(stage.triggers) == 1


def _is_stopped(stage: Stage, *, refused: int = 0) -> None:
    assert refused == 0
    assert stage.status.state == "Stopped"
    assert stage.status.snapshot is None
    assert stage.triggers == set()
    assert stage.job_of(1).state == "CANCELED"
    assert _left(stage) == []


def _is_recovered(stage: Stage, *, refused: int = 0) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 2 + refused)
    assert stage.job.restored_path == stage.job_of(1).checkpoints[-1].path
    assert stage.triggers == set()


def _has_a_snapshot(stage: Stage, *, refused: int = 0) -> None:
    assert refused == 0
    assert (stage.status.state, stage.status.run) == ("Running", 1)
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.origin == "Manual"
    assert len(stage.status.snapshots) == len(stage.triggers) == 1


def _left(stage: Stage) -> list[str]:
    found = (kinds.DEPLOYMENT, kinds.POD, kinds.SERVICE, kinds.CONFIG_MAP)
    return [
        body["metadata"]["name"]
        for kind in found
        for body in stage.kube.select(kind, stage.namespace)
    ]


CASES: Final = (
    Case("run", None, lambda stage: stage.apply(), _is_running_afresh),
    Case("pause", "Running", lambda stage: stage.wish("Paused"), _is_paused),
    Case("resume", "Paused", lambda stage: stage.wish("Running"), _goes_on_from_savepoint),
    Case("stop", "Running", lambda stage: stage.wish("Stopped"), _is_stopped),
    Case("upgrade", "Running", lambda stage: stage.edit(parallelism=2), _goes_on_from_savepoint),
    Case("recover", "Running", lambda stage: stage.job.fail("sink is gone"), _is_recovered),
    Case("restart", "Running", lambda s: s.edit(restartNonce="1"), _goes_on_from_savepoint),
    Case("snapshot", "Running", lambda stage: stage.edit(snapshotNonce="1"), _has_a_snapshot),
    Case("delete", "Running", lambda stage: stage.delete(), _is_stopped),
)
