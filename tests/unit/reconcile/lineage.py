"""Which state holds how much, and up to where the sinks have committed: the contract's arithmetic.

Every checkpoint and savepoint that completes, of any run, gets the next number. With a checkpoint,
and with a savepoint that ends the job, the sinks commit up to its number. A run that starts from a
lower number doubles what was committed since, and one that starts from nothing starts at 0.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from streamjob_operator.api.spec import StreamJobSpec, UpgradeMode, Wish
from streamjob_operator.api.status import OperationType, State, StreamJobStatus
from tests.fakes.flink_job import FakeJob

FROM_A_CHOICE: Final = frozenset({OperationType.RUN, OperationType.RESUME})
"""The starts that read `restore.snapshot`."""
REPLACEMENTS: Final = frozenset({OperationType.UPGRADE, OperationType.RESTART})
"""The starts that `upgrade.mode` is about."""


@dataclass
class Said:
    """What the user has said and been shown since the last run was announced."""

    stop: bool = False
    """A Stop was taken note of: it discards the state."""
    stateless: bool = False
    ended: bool = False
    """The job was shown as finished, or as cancelled from outside: a restart is afresh."""
    nonce: str = ""
    """`restartNonce` when that run was announced."""
    restore: str = ""
    """`restore.snapshot` when that run was announced."""


@dataclass
class Lineage:
    """Follows one StreamJob from its birth."""

    numbers: dict[str, int] = field(default_factory=dict)
    """By path."""
    committed: int = 0
    run: int = 0
    """The newest that status has announced."""
    said: Said = field(default_factory=Said)
    discarded: bool = False
    """The wish Stopped was fulfilled after the newest run."""
    excused: bool = False
    """The user has given leave to start the newest run from an older state or none."""
    finished: bool = False
    """The newest run that has begun came to its end by itself: Flink keeps no state of it."""
    began: bool = True
    """The newest run did begin."""
    begun: dict[str, int] = field(default_factory=dict)
    """By Flink job id of the runs that have begun: how many of their states are numbered."""

    def follow(
        self, spec: StreamJobSpec, wish: Wish, status: StreamJobStatus, jobs: Iterable[FakeJob]
    ) -> None:
        """After each look of the operator, and after whatever else happened."""
        begun = [job for job in jobs if job.begun]
        # What was there before a run was announced comes first: pods come after their announcement.
        for job in begun:
            if job.job_id in self.begun:
                self._number(job)
                self.finished = job.state == "FINISHED" and not _ended_by_savepoint(job)
        self._listen(spec, wish, status)
        if (status.run or 0) > self.run:
            self._announced(spec, status)
        for job in begun:
            if job.job_id not in self.begun:
                self._begins(job)

    def _number(self, job: FakeJob) -> None:
        for path in job.saved[self.begun[job.job_id] :]:
            self.numbers[path] = len(self.numbers) + 1
            if path in job.commits:
                self.committed = self.numbers[path]
        self.begun[job.job_id] = len(job.saved)

    def _listen(self, spec: StreamJobSpec, wish: Wish, status: StreamJobStatus) -> None:
        shown = {condition.type: condition.reason for condition in status.conditions}
        stops = status.operation is not None and status.operation.type is OperationType.STOP
        stopped = status.state is State.STOPPED and status.snapshot is None
        if wish is Wish.STOPPED and (stops or stopped):
            self.said.stop = True
            self.discarded |= stopped and not stops and shown.get("Ready") == "Stopped"
        self.said.stateless |= spec.upgrade.mode is UpgradeMode.STATELESS
        self.said.ended |= shown.get("Running") in {"JobFinished", "JobCancelled"}

    def _announced(self, spec: StreamJobSpec, status: StreamJobStatus) -> None:
        """Status names a new run: does the user allow it to leave committed state behind?"""
        assert status.operation is not None
        kind, said = status.operation.type, self.said
        named = spec.restore.snapshot or ""
        asked_anew = spec.restart_nonce != said.nonce
        path = status.snapshot.path if status.snapshot is not None else ""
        chosen = (
            kind in FROM_A_CHOICE
            and bool(named)
            and path in {named, *(known.path for known in status.snapshots if known.id == named)}
            and (kind is OperationType.RUN or named != said.restore)
        )
        assert not self.discarded or chosen or not path, f"{path} was discarded by a Stop"
        assert status.run == self.run + 1
        left_behind = (
            said.stop
            # Nobody can tell a bounded job that has ended unseen from one that has done nothing;
            # and who wants one started again that has ended has no state of it left to lose.
            or (self.finished and (chosen or not said.ended))
            or (kind in REPLACEMENTS and said.stateless)
            or (kind in FROM_A_CHOICE and asked_anew and (said.stateless or said.ended))
        )
        if left_behind:
            self.committed = 0
        self.excused = left_behind or chosen or (self.excused and not self.began)
        self.run, self.began, self.discarded = status.run, False, False
        self.said = Said(nonce=spec.restart_nonce, restore=named)

    def _begins(self, job: FakeJob) -> None:
        path = job.restored_path
        number = self.numbers.get(path or "", 0)
        if path is not None and path not in self.numbers:
            # Somebody named a place where nothing lies: it can't start, so it doubles nothing.
            pass
        elif not self.excused:
            was = f"the sinks have committed up to state {self.committed}"
            text = f"a run starts from {path} (state {number}), and {was}"
            assert number >= self.committed, text
        else:
            self.committed = number
        self.began = True
        self.begun[job.job_id] = 0
        self._number(job)


def _ended_by_savepoint(job: FakeJob) -> bool:
    return bool(job.saved) and "/savepoints/" in job.saved[-1]
