"""Flink clusters in memory, one per run, that do what a test says."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import AbstractContextManager

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.client import FlinkClient
from streamjob_operator.flink.models import Checkpoints, Failure, JobOverview, SavepointResult
from streamjob_operator.runtime.clock import Clock
from tests.fakes.calls import Calls
from tests.fakes.flink_job import FakeJob

Program = Callable[[FakeJob], None]
"""What the pods of a run do with the job, once they all run."""


class FakeFlink(FlinkClient):
    """All JobManagers, by address. `on_start` says what a run does once its pods run."""

    def __init__(self, clock: Clock, calls: Calls) -> None:
        self.jobs_by_address: dict[str, FakeJob] = {}
        self.files: set[str] = set()
        self.damaged: set[str] = set()
        """Those of them that can't be read any more."""
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
        jobmanager: str | None,
        all_run: bool,
    ) -> None:
        """How the pods of a run are: its JobManager's name, and whether all of them run."""
        job = self.jobs_by_address.get(address)
        if job is None:
            if jobmanager is None:
                return
            job = FakeJob(self._clock, job_id, restored_path, self.files)
            self.jobs_by_address[address] = job
        elif jobmanager not in {None, job.jobmanager}:
            job.replace_jobmanager()
            job.lacks_taskmanagers = not job.is_over and job.submitted
        job.reachable = jobmanager is not None
        job.jobmanager = jobmanager
        if job.state == "RUNNING" and not all_run:
            job.restart("The TaskManager is no longer reachable")
            job.lacks_taskmanagers = True
        elif job.lacks_taskmanagers and all_run:
            job.lacks_taskmanagers = False
            job.run()
        if job.reachable and all_run and not job.begun:
            job.begun = True
            if restored_path is not None and restored_path not in self.files:
                # Of such a job Flink shows a stand-in, without tasks and statistics.
                job.tasks_total = 0
                job.fail(
                    "The snapshot could not be restored: Cannot find checkpoint or savepoint "
                    f"file/directory '{restored_path}'"
                )
                return
            run = int(address.split(".", maxsplit=1)[0].rsplit("-", 1)[-1])
            self.on_start.get(run, self.program)(job)

    def inspected(self, address: str, directories: tuple[str, ...]) -> str:
        """What the inspector pod of a run says, as JSON."""
        job = self.jobs_by_address.get(address)
        checkpoints, *savepoints = directories
        if job is None:
            return json.dumps({"newest": None, "missing": [checkpoints], "unreadable": []})
        return json.dumps(
            {
                "newest": job.newest_in_storage(tuple(savepoints)),
                "missing": [],
                "unreadable": [path for path in job.saved if path in self.damaged],
            }
        )

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
            return self._job(address, job_id).statistics()

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
            known = self._job(address, job_id).result_of(trigger_id)
            return known if known is not None else SavepointResult(unknown=True)

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
