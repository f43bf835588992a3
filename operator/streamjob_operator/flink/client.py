"""What the operator asks of Flink, as an interface: the real client and the tests' fake have it."""

from __future__ import annotations

from typing import Protocol

from streamjob_operator.flink.models import Checkpoints, Failure, JobOverview, SavepointResult


class FlinkClient(Protocol):
    """What the operator asks of a JobManager.

    `address` is the base URL of a run's own Service, like http://orders-jm-3.default.svc:8081.
    Every method raises FlinkUnreachable when no understandable answer came in time, and
    FlinkRejected when the answer was no.
    """

    async def jobs(self, address: str) -> tuple[JobOverview, ...]:
        """All jobs, live."""
        ...

    async def failure(self, address: str, job_id: str) -> Failure | None:
        """Why the job, or else the application around it, failed last. May be 3 s old."""
        ...

    async def restarts(self, address: str, job_id: str) -> tuple[Failure, ...]:
        """The failures that Flink remembers (16 at most), newest first. May be 3 s old."""
        ...

    async def checkpoints(self, address: str, job_id: str) -> Checkpoints:
        """What the job has checkpointed and what it was restored from. May be 3 s old."""
        ...

    async def stop_with_savepoint(
        self,
        address: str,
        job_id: str,
        *,
        trigger_id: str,
        target_dir: str,
        format: str,  # noqa: A002 - Flink's word
    ) -> None:
        """Ask for a savepoint and the job's end.

        Flink takes one request per trigger id, however often it is sent.
        """
        ...

    async def savepoint(
        self,
        address: str,
        job_id: str,
        *,
        trigger_id: str,
        target_dir: str,
        format: str,  # noqa: A002 - Flink's word
    ) -> None:
        """Ask for a savepoint; the job runs on. One per trigger id, however often it is sent."""
        ...

    async def savepoint_result(self, address: str, job_id: str, trigger_id: str) -> SavepointResult:
        """What came of a request for a savepoint, of either kind."""
        ...

    async def cancel(self, address: str, job_id: str) -> None:
        """Ask for the job's end, without a savepoint. A job that is over already is no error."""
        ...

    async def dispose_savepoint(self, address: str, path: str) -> None:
        """Remove a savepoint's files, within 30 s. Files that are gone already are no error."""
        ...

    async def application_failure(self, address: str) -> tuple[str, Failure | None]:
        """The application's status in Flink's words, "" before Flink 2.3, and why it failed."""
        ...

    async def job_type(self, address: str, job_id: str) -> str:
        """STREAMING or BATCH."""
        ...

    async def version(self, address: str) -> str:
        """The version that really runs, like 2.3.0."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
