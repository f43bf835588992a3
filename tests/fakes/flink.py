"""Flink clusters in memory, one per run, that do what a test says."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.client import FlinkClient
from streamjob_operator.flink.models import (
    Checkpoint,
    Checkpoints,
    Failure,
    JobOverview,
    SavepointResult,
)
from streamjob_operator.runtime.clock import Clock
from tests.fakes.calls import Calls

IN_PROGRESS: Final = SavepointResult()

Program = Callable[["FakeJob"], None]
"""What the pods of a run do with the job, once they all run."""


@dataclass
class FakeSavepoint:
    """One request for a savepoint."""

    path: str
    stops_job: bool
    result: SavepointResult = IN_PROGRESS


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
    asked: list[str] = field(default_factory=list)
    """Trigger ids, once for each time that they were sent."""
    savepoints: dict[str, FakeSavepoint] = field(default_factory=dict)
    savepoints_fail: Failure | None = None
    savepoints_wait: bool = False
    dies_with_savepoint: Failure | None = None
    """The job fails while it stops, after its savepoint is complete."""
    cancel_takes_for_ever: bool = False
    changed_at: float = 0

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
        made = Checkpoint(path, self.clock.now())
        self.checkpoints.append(made)
        self.files.add(path)
        self.saved.append(path)
        self.failed_checkpoints = 0
        return made

    def restart(self, message: str) -> None:
        """Tasks fail and Flink deploys them again; `run` lets them come up."""
        self.restarts.insert(0, Failure(message, self.clock.now()))
        self._become("RESTARTING")

    def fail(self, message: str) -> None:
        """Flink gives the job up."""
        self.failure = Failure(message, self.clock.now())
        self.restarts.insert(0, self.failure)
        self._become("FAILED")

    def fail_in_program(self, message: str) -> None:
        """The program or script throws before a job is submitted: a stand-in shows why."""
        self.failure = Failure(message, self.clock.now(), in_program=True)
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
        self.files -= {checkpoint.path for checkpoint in self.checkpoints}
        self.checkpoints.clear()
        self._become("CANCELED")

    def complete_savepoints(self) -> None:
        """Savepoints that were waiting are done now."""
        self.savepoints_wait = False
        for savepoint in self.savepoints.values():
            if savepoint.result == IN_PROGRESS:
                self._complete(savepoint)

    def replace_jobmanager(self) -> None:
        """Another JobManager has taken over: it knows of no request, and the tasks start again."""
        self.savepoints.clear()
        self.restart("JobManager lost")

    def since_last_commit(self) -> list[str]:
        """The newest checkpoint, or the savepoint that ended the job, and what is newer.

        Savepoints that the job outlives commit nothing in its sinks: to go on from the checkpoint
        before them is right too.
        """
        commits = {made.path for made in self.checkpoints}
        commits |= {each.path for each in self.savepoints.values() if each.stops_job}
        last = max((index for index, path in enumerate(self.saved) if path in commits), default=0)
        return self.saved[last:]

    def _become(self, state: str, *, running: int = 0) -> None:
        self.submitted = True
        self.state = state
        self.tasks_running = running
        self.changed_at = self.clock.now().timestamp()

    # What Flink does with requests.

    @property
    def is_over(self) -> bool:
        return self.state in {"FINISHED", "FAILED", "CANCELED"}

    def overview(self) -> JobOverview:
        """As the REST interface shows it."""
        now = self.clock.now().timestamp()
        return JobOverview(
            job_id=self.job_id,
            name="job",
            state=self.state,
            tasks_total=self.tasks_total,
            tasks_running=self.tasks_running,
            tasks_finished=self.tasks_finished,
            last_modification=int(self.changed_at * 1000),
            quiet_for=timedelta(seconds=now - self.changed_at),
            job_type=self.job_type,
        )

    def take(self, trigger_id: str, target_dir: str, *, stops_job: bool) -> None:
        """A request for a savepoint: one per trigger id, however often it is sent."""
        self.asked.append(trigger_id)
        if trigger_id in self.savepoints:
            return
        savepoint = FakeSavepoint(f"{target_dir}/savepoint-{self.job_id[:6]}", stops_job)
        self.savepoints[trigger_id] = savepoint
        if self.tasks_running < self.tasks_total - self.tasks_finished:
            why = Failure("Checkpoint triggering task is not being executed at the moment")
            savepoint.result = SavepointResult(failure=why)
        elif self.savepoints_fail is not None:
            savepoint.result = SavepointResult(failure=self.savepoints_fail)
        elif not self.savepoints_wait:
            self._complete(savepoint)

    def _complete(self, savepoint: FakeSavepoint) -> None:
        self.files.add(savepoint.path)
        self.saved.append(savepoint.path)
        savepoint.result = SavepointResult(savepoint.path, self.dies_with_savepoint)
        if self.dies_with_savepoint is not None:
            self.fail(self.dies_with_savepoint.message)
        elif savepoint.stops_job:
            self.finish()


class FakeFlink(FlinkClient):
    """All JobManagers, by address. `on_start` says what a run does once its pods run."""

    def __init__(self, clock: Clock, calls: Calls) -> None:
        self.jobs_by_address: dict[str, FakeJob] = {}
        self.files: set[str] = set()
        self.on_start: dict[int, Program] = {}
        """By run number."""
        self.program: Program = FakeJob.run
        """What runs do that `on_start` does not name."""
        self.unreachable = False
        self.delays: dict[str, float] = {}
        """By address: seconds that this JobManager takes for the list of its jobs."""
        self.disposed: list[str] = []
        self._clock = clock
        self._calls = calls

    def pods_run(
        self,
        address: str,
        job_id: str,
        restored_path: str | None,
        *,
        jobmanager: bool,
        all_run: bool,
    ) -> None:
        """How the pods of a run are: its JobManager, and whether all of them run."""
        job = self.jobs_by_address.get(address)
        if job is None:
            if not jobmanager:
                return
            job = FakeJob(self._clock, job_id, restored_path, self.files)
            self.jobs_by_address[address] = job
        job.reachable = jobmanager
        if job.state == "RUNNING" and not all_run:
            job.restart("The TaskManager is no longer reachable")
            job.lacks_taskmanagers = True
        elif job.lacks_taskmanagers and all_run:
            job.lacks_taskmanagers = False
            job.run()
        if jobmanager and all_run and not job.begun:
            job.begun = True
            if restored_path is not None and restored_path not in self.files:
                job.fail(
                    "The snapshot could not be restored: Cannot find checkpoint or savepoint "
                    f"file/directory '{restored_path}'"
                )
                return
            run = int(address.split(".", maxsplit=1)[0].rsplit("-", 1)[-1])
            self.on_start.get(run, self.program)(job)

    @property
    def alive(self) -> list[FakeJob]:
        """Jobs that do something right now."""
        return [job for job in self.jobs_by_address.values() if job.reachable and not job.is_over]

    # What the operator calls.

    async def jobs(self, address: str) -> tuple[JobOverview, ...]:
        if address in self.delays:
            await asyncio.sleep(self.delays[address])
        with self._call("jobs", address):
            job = self._at(address)
            return (job.overview(),) if job.submitted else ()

    async def failure(self, address: str, job_id: str) -> Failure | None:
        with self._call("failure", address):
            return self._job(address, job_id).failure

    async def restarts(self, address: str, job_id: str) -> tuple[Failure, ...]:
        with self._call("restarts", address):
            return tuple(self._job(address, job_id).restarts[:16])

    async def checkpoints(self, address: str, job_id: str) -> Checkpoints:
        with self._call("checkpoints", address):
            job = self._job(address, job_id)
            kept = [made for made in job.checkpoints if made.path in self.files]
            return Checkpoints(
                completed=len(job.checkpoints),
                failed=job.failed_checkpoints,
                newest=kept[-1] if kept else None,
                restored_path=job.restored_path,
                consecutive_failures=job.failed_checkpoints,
                last_failure="Checkpoint expired" if job.failed_checkpoints else None,
            )

    async def stop_with_savepoint(
        self,
        address: str,
        job_id: str,
        *,
        trigger_id: str,
        target_dir: str,
        format: str,  # noqa: A002, ARG002
    ) -> None:
        with self._call("stop_with_savepoint", trigger_id):
            self._job(address, job_id).take(trigger_id, target_dir, stops_job=True)

    async def savepoint(
        self,
        address: str,
        job_id: str,
        *,
        trigger_id: str,
        target_dir: str,
        format: str,  # noqa: A002, ARG002
    ) -> None:
        with self._call("savepoint", trigger_id):
            self._job(address, job_id).take(trigger_id, target_dir, stops_job=False)

    async def savepoint_result(self, address: str, job_id: str, trigger_id: str) -> SavepointResult:
        with self._call("savepoint_result", trigger_id):
            known = self._job(address, job_id).savepoints.get(trigger_id)
            return known.result if known is not None else SavepointResult(unknown=True)

    async def cancel(self, address: str, job_id: str) -> None:
        with self._call("cancel", address):
            job = self._job(address, job_id)
            if job.cancel_takes_for_ever:
                job.state = "CANCELLING"
            elif not job.is_over:
                job.cancel()

    async def dispose_savepoint(self, address: str, path: str) -> None:
        with self._call("dispose_savepoint", path):
            self._at(address)
            self.files.discard(path)
            self.disposed.append(path)

    async def application_failure(self, address: str) -> tuple[str, Failure | None]:
        with self._call("application_failure", address):
            job = self._at(address)
            failed = job.application == "FAILED"
            return job.application, job.failure if failed else None

    async def job_type(self, address: str, job_id: str) -> str:
        with self._call("job_type", address):
            return self._job(address, job_id).job_type

    async def version(self, address: str) -> str:
        with self._call("version", address):
            self._at(address)
            return "2.3.0"

    async def close(self) -> None:
        return None

    def _call(self, verb: str, what: str) -> AbstractContextManager[None]:
        return self._calls.call("flink", verb, what)

    def _at(self, address: str) -> FakeJob:
        job = self.jobs_by_address.get(address)
        if self.unreachable or job is None or not job.reachable:
            raise FlinkUnreachable(f"GET {address}: connection refused")
        return job

    def _job(self, address: str, job_id: str) -> FakeJob:
        job = self._at(address)
        if job.job_id != job_id or not job.submitted:
            raise FlinkRejected(f"Job {job_id} not found")
        return job
