"""One Flink job in memory, and the JobManager that leads it, doing what a test says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from streamjob_operator.flink.models import (
    Checkpoint,
    Checkpoints,
    Failure,
    JobOverview,
    SavepointResult,
)
from streamjob_operator.runtime.clock import Clock

IN_PROGRESS: Final = SavepointResult()
REMEMBERED: Final = timedelta(minutes=5)
"""Flink's rest.async.store-duration: results of requests are forgotten after it."""


@dataclass
class FakeSavepoint:
    """One request for a savepoint."""

    path: str
    stops_job: bool
    result: SavepointResult = IN_PROGRESS
    answered_at: datetime | None = None


@dataclass
class FakeJob:
    """The Flink job of one run."""

    clock: Clock
    job_id: str
    restored_path: str | None
    files: set[str]
    """Paths of all checkpoints and savepoints that exist, of every run."""
    saved: list[str] = field(default_factory=list)
    """What this run has completed, oldest first."""
    commits: set[str] = field(default_factory=set)
    """Those of them with which the sinks commit: checkpoints, and a savepoint that ends the job."""
    jobmanager: str | None = None
    """The pod that leads now."""
    took_over_from: str | None = None
    """What the present JobManager restored, where it has replaced another."""
    unlisted: int = 0
    """Checkpoints that completed before it took over: its statistics lack them."""
    newest_savepoint: Checkpoint | None = None
    reachable: bool = False
    begun: bool = False
    lacks_taskmanagers: bool = False
    submitted: bool = False
    state: str = "INITIALIZING"
    application: str = "RUNNING"
    job_type: str = "STREAMING"
    tasks_total: int = 2
    tasks_running: int = 0
    tasks_finished: int = 0
    failure: Failure | None = None
    restarts: list[Failure] = field(default_factory=list)
    checkpoints: list[Checkpoint] = field(default_factory=list)
    failed_checkpoints: int = 0
    failed_before: datetime | None = None
    """When the last of them was triggered; now, if not said."""
    asked: list[str] = field(default_factory=list)
    """Trigger ids, once for each time that they were sent."""
    savepoints: dict[str, FakeSavepoint] = field(default_factory=dict)
    savepoints_fail: Failure | None = None
    savepoints_wait: bool = False
    dies_with_savepoint: Failure | None = None
    """The job fails while it stops, after its savepoint is complete."""
    cancel_takes_for_ever: bool = False
    changed_at: float = 0
    skew: timedelta = timedelta(0)
    """By how much the clock of the JobManager's node is ahead of the operator's."""

    def now(self) -> datetime:
        """On the JobManager's own clock."""
        return self.clock.now() + self.skew

    # What a test lets happen.

    def run(self) -> None:
        """All tasks run."""
        self._become("RUNNING", running=self.tasks_total)

    def deploy(self, running: int = 0) -> None:
        """The job is submitted; only so many of its tasks run."""
        self._become("RUNNING", running=running)

    def checkpoint(self) -> Checkpoint:
        """A checkpoint completes now."""
        number = len(self.checkpoints) + 1
        path = f"file:///state/checkpoints/{self.job_id}/chk-{number}"
        made = Checkpoint(path, self.now(), number=len(self.saved) + 1)
        self.checkpoints.append(made)
        self.files.add(path)
        self.saved.append(path)
        self.commits.add(path)
        self.failed_checkpoints = 0
        return made

    def restart(self, message: str) -> None:
        """Tasks fail and Flink deploys them again; `run` lets them come up."""
        self.restarts.insert(0, Failure(message, self.now()))
        self._become("RESTARTING")

    def fail(self, message: str) -> None:
        """Flink gives the job up."""
        self.failure = Failure(message, self.now())
        self.restarts.insert(0, self.failure)
        self._become("FAILED")

    def fail_in_program(self, message: str) -> None:
        """The program or script throws before a job is submitted: a stand-in shows why."""
        self.failure = Failure(message, self.now(), in_program=True)
        self.application = "FAILED"
        self.tasks_total = 0
        self._become("FAILED")

    def end_without_job(self) -> None:
        """The program comes to its end and has submitted nothing."""
        self.application = "FINISHED"

    def finish(self) -> None:
        """The job comes to its end."""
        self.tasks_finished = self.tasks_total
        self._become("FINISHED")

    def cancel(self) -> None:
        """Somebody cancels the job: Flink removes its checkpoints."""
        gone = {checkpoint.path for checkpoint in self.checkpoints}
        self.files -= gone
        self.commits -= gone
        self.checkpoints.clear()
        self._become("CANCELED")

    def complete_savepoints(self) -> None:
        """Savepoints that were waiting are done now."""
        self.savepoints_wait = False
        for savepoint in self.savepoints.values():
            if savepoint.result == IN_PROGRESS:
                self._complete(savepoint)

    def replace_jobmanager(self, *, lists_result: bool = False) -> None:
        """Another JobManager has taken over: it knows of no request and has no statistics.

        A job that runs is restored from its newest checkpoint. One that has ended is not named any
        more, or with `lists_result` by its result alone: no tasks, no cause, no checkpoints.
        """
        if not self.submitted or not self.tasks_total:
            return
        self.savepoints.clear()
        self.restarts.clear()
        self.newest_savepoint = None
        if self.is_over:
            self.application = self.state
            self.failure = None
            self.submitted = lists_result
            self.tasks_total = self.tasks_running = self.tasks_finished = 0
            return
        if self.checkpoints:
            self.took_over_from = self.checkpoints[-1].path
            self.unlisted = len(self.checkpoints)
        self.failed_checkpoints = 0
        self._become("RUNNING")

    def since_last_commit(self) -> list[str]:
        """The newest checkpoint, or the savepoint that ended the job, and what is newer.

        Savepoints that the job outlives commit nothing in its sinks: to go on from the checkpoint
        before them is right too.
        """
        places = (index for index, path in enumerate(self.saved) if path in self.commits)
        return self.saved[max(places, default=0) :]

    def newest_in_storage(self, target_dirs: tuple[str, ...]) -> dict[str, object] | None:
        """The newest of its states, for who looks without it: Flink removes the checkpoints of a
        job that has finished.
        """
        kept = set() if self.state == "FINISHED" else {made.path for made in self.checkpoints}
        for number, path in reversed(list(enumerate(self.saved, 1))):
            saved = path.startswith(tuple(f"{place}/" for place in target_dirs))
            if path in self.files and (saved or path in kept):
                return {"path": path, "id": number, "at": 0, "savepoint": path not in kept}
        return None

    def _become(self, state: str, *, running: int = 0) -> None:
        self.submitted = True
        self.state = state
        self.tasks_running = running
        self.changed_at = self.now().timestamp()

    # What Flink does with requests.

    @property
    def is_over(self) -> bool:
        return self.state in {"FINISHED", "FAILED", "CANCELED"}

    def overview(self) -> JobOverview:
        """As the REST interface shows it."""
        now = self.now().timestamp()
        return JobOverview(
            job_id=self.job_id,
            name="job",
            state=self.state,
            tasks_total=self.tasks_total,
            tasks_running=self.tasks_running,
            tasks_finished=self.tasks_finished,
            last_modification=int(self.changed_at * 1000),
            quiet_for=timedelta(seconds=now - self.changed_at),
            asked_at=None if self.is_over else self.now(),
            job_type=self.job_type,
        )

    def take(self, trigger_id: str, target_dir: str, *, stops_job: bool) -> None:
        """A request for a savepoint: one per trigger id, however often it is sent."""
        self.asked.append(trigger_id)
        if self.result_of(trigger_id) is not None:
            return
        savepoint = FakeSavepoint(f"{target_dir}/savepoint-{self.job_id[:6]}", stops_job)
        self.savepoints[trigger_id] = savepoint
        if self.tasks_running < self.tasks_total - self.tasks_finished:
            why = Failure("Checkpoint triggering task is not being executed at the moment")
            self._answer(savepoint, SavepointResult(failure=why))
        elif self.savepoints_fail is not None:
            self._answer(savepoint, SavepointResult(failure=self.savepoints_fail))
        elif not self.savepoints_wait:
            self._complete(savepoint)

    def result_of(self, trigger_id: str) -> SavepointResult | None:
        """What came of a request, as long as Flink remembers it."""
        known = self.savepoints.get(trigger_id)
        if known is None:
            return None
        at = known.answered_at
        if at is not None and self.now() - at > REMEMBERED:
            del self.savepoints[trigger_id]
            return None
        return known.result

    def statistics(self) -> Checkpoints:
        """As the present JobManager counts."""
        listed = self.checkpoints[self.unlisted :]
        kept = [made for made in listed if made.path in self.files]
        return Checkpoints(
            completed=len(listed),
            failed=self.failed_checkpoints,
            newest=kept[-1] if kept else None,
            savepoint=self.newest_savepoint,
            restored_path=self.took_over_from or self.restored_path,
            failures=(int((self.failed_before or self.now()).timestamp() * 1000),)
            * self.failed_checkpoints,
            last_failure="Checkpoint expired" if self.failed_checkpoints else None,
        )

    def _answer(self, savepoint: FakeSavepoint, result: SavepointResult) -> None:
        savepoint.result = result
        savepoint.answered_at = self.now()

    def _complete(self, savepoint: FakeSavepoint) -> None:
        self.files.add(savepoint.path)
        self.saved.append(savepoint.path)
        number = len(self.saved)
        self.newest_savepoint = Checkpoint(
            savepoint.path, self.now(), is_savepoint=True, number=number
        )
        self._answer(savepoint, SavepointResult(savepoint.path, self.dies_with_savepoint))
        if savepoint.stops_job:
            self.commits.add(savepoint.path)
        if self.dies_with_savepoint is not None:
            self.fail(self.dies_with_savepoint.message)
        elif savepoint.stops_job:
            self.finish()
