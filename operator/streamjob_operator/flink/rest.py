"""The client of Flink's REST interface.

Endpoints as of Flink 1.20 to 2.3:
https://nightlies.apache.org/flink/flink-docs-stable/docs/ops/rest_api/
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import timedelta
from typing import Final

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from streamjob_operator.flink.causes import failure_of_trace, savepoint_named_in
from streamjob_operator.flink.client import FlinkClient
from streamjob_operator.flink.models import (
    OVER,
    Checkpoint,
    Checkpoints,
    Failure,
    JobOverview,
    SavepointResult,
)
from streamjob_operator.flink.replies import (
    NOT_ADDRESSABLE,
    ApplicationsReply,
    AsyncOperation,
    AsyncReply,
    CheckpointEntry,
    CheckpointsReply,
    ConfigReply,
    ExceptionsReply,
    HistoryEntry,
    Job,
    JobsReply,
    JobTypeReply,
    Reply,
    TriggerReply,
    instant,
)
from streamjob_operator.flink.text import one_line
from streamjob_operator.flink.transport import Transport

__all__ = ["FlinkClient", "FlinkRest"]

_HISTORY: Final = 16
"""Entries of an exception history that are asked for; Flink keeps as many unless told otherwise."""

_ALREADY_OVER: Final = "already reached another terminal state"
_GONE: Final = "Cannot find checkpoint or savepoint"

_DISPOSAL: Final = timedelta(seconds=30)
_DISPOSAL_POLL: Final = timedelta(milliseconds=200)


class FlinkRest(FlinkClient):
    """The client over HTTP. One for the whole operator: connections are kept per JobManager.

    `timeout` bounds each request as a whole. Make it, and close it, inside a running event loop.
    """

    def __init__(self, timeout: timedelta = timedelta(seconds=5)) -> None:
        self._transport = Transport(timeout)

    async def close(self) -> None:
        """Close all connections."""
        await self._transport.close()

    async def jobs(self, address: str) -> tuple[JobOverview, ...]:
        """GET /jobs/overview."""
        reply = await self._transport.ask(JobsReply, address, "/jobs/overview")
        return tuple(_overview(job) for job in reply.jobs)

    async def failure(self, address: str, job_id: str) -> Failure | None:
        """GET /jobs/:id/exceptions, else /applications/:id/exceptions."""
        entries = await self._exceptions(address, f"/jobs/{job_id}/exceptions", 1)
        if entries:
            return _failure(entries[0])
        _, failure = await self.application_failure(address)
        return failure

    async def restarts(self, address: str, job_id: str) -> tuple[Failure, ...]:
        """GET /jobs/:id/exceptions."""
        entries = await self._exceptions(address, f"/jobs/{job_id}/exceptions", _HISTORY)
        return tuple(_failure(entry) for entry in entries)

    async def checkpoints(self, address: str, job_id: str) -> Checkpoints:
        """GET /jobs/:id/checkpoints."""
        return _checkpoints(
            await self._transport.ask(CheckpointsReply, address, f"/jobs/{job_id}/checkpoints")
        )

    async def stop_with_savepoint(
        self,
        address: str,
        job_id: str,
        *,
        trigger_id: str,
        target_dir: str,
        format: str,  # noqa: A002
    ) -> None:
        """POST /jobs/:id/stop."""
        body = {
            "triggerId": trigger_id,
            "targetDirectory": target_dir,
            "formatType": format.upper(),
            "drain": False,
        }
        await self._transport.ask(TriggerReply, address, f"/jobs/{job_id}/stop", "POST", body)

    async def savepoint(
        self,
        address: str,
        job_id: str,
        *,
        trigger_id: str,
        target_dir: str,
        format: str,  # noqa: A002
    ) -> None:
        """POST /jobs/:id/savepoints."""
        body = {
            "triggerId": trigger_id,
            "target-directory": target_dir,
            "formatType": format.upper(),
            "cancel-job": False,
        }
        await self._transport.ask(TriggerReply, address, f"/jobs/{job_id}/savepoints", "POST", body)

    async def savepoint_result(self, address: str, job_id: str, trigger_id: str) -> SavepointResult:
        """GET /jobs/:id/savepoints/:trigger."""
        path = f"/jobs/{job_id}/savepoints/{trigger_id}"
        reply = await self._transport.ask_if_known(AsyncReply, address, path)
        if reply is None:
            return SavepointResult(unknown=True)
        if reply.status.id != "COMPLETED":
            return SavepointResult()
        operation = reply.operation or AsyncOperation()
        if operation.location is not None:
            return SavepointResult(path=operation.location)
        trace = operation.failure_cause.stack_trace if operation.failure_cause else ""
        return SavepointResult(
            path=savepoint_named_in(trace),
            failure=failure_of_trace(trace or "Flink gives neither a savepoint nor a cause"),
        )

    async def cancel(self, address: str, job_id: str) -> None:
        """PATCH /jobs/:id?mode=cancel."""
        try:
            await self._transport.ask(Reply, address, f"/jobs/{job_id}?mode=cancel", "PATCH")
        except FlinkRejected as error:
            if _ALREADY_OVER not in str(error):
                raise

    async def dispose_savepoint(self, address: str, path: str) -> None:
        """POST /savepoint-disposal, and the poll of its result."""
        body = {"savepoint-path": path}
        begun = await self._transport.ask(
            TriggerReply, address, "/savepoint-disposal", "POST", body
        )
        try:
            async with asyncio.timeout(_DISPOSAL.total_seconds()):
                operation = await self._disposed(address, begun.request_id)
        except TimeoutError as error:
            raise FlinkUnreachable(
                f"Flink has not removed {one_line(path)} within {_DISPOSAL.seconds} s"
            ) from error
        if operation is not None and operation.failure_cause is not None:
            cause = failure_of_trace(operation.failure_cause.stack_trace)
            if _GONE in cause.message:
                return
            raise FlinkRejected(f"Flink could not remove {one_line(path)}: {cause.message}")

    async def application_failure(self, address: str) -> tuple[str, Failure | None]:
        """GET /applications/overview and /applications/:id/exceptions."""
        reply = await self._transport.ask_if_known(
            ApplicationsReply, address, "/applications/overview"
        )
        if reply is None or not reply.applications:
            return "", None
        application = reply.applications[0]
        status = one_line(application.status, 40)
        if status != "FAILED":
            return status, None
        entries = await self._exceptions(address, f"/applications/{application.id}/exceptions", 1)
        return status, _failure(entries[0]) if entries else None

    async def job_type(self, address: str, job_id: str) -> str:
        """GET /jobs/:id."""
        reply = await self._transport.ask(JobTypeReply, address, f"/jobs/{job_id}")
        return one_line(reply.job_type or "", 40)

    async def version(self, address: str) -> str:
        """GET /config."""
        return one_line(
            (await self._transport.ask(ConfigReply, address, "/config")).flink_version, 40
        )

    async def _exceptions(self, address: str, path: str, at_most: int) -> tuple[HistoryEntry, ...]:
        reply = await self._transport.ask_if_known(
            ExceptionsReply, address, f"{path}?maxExceptions={at_most}"
        )
        return reply.history.entries if reply is not None else ()

    async def _disposed(self, address: str, request_id: str) -> AsyncOperation | None:
        while True:
            reply = await self._transport.ask(
                AsyncReply, address, f"/savepoint-disposal/{request_id}"
            )
            if reply.status.id == "COMPLETED":
                return reply.operation
            await asyncio.sleep(_DISPOSAL_POLL.total_seconds())


def _overview(job: Job) -> JobOverview:
    asked_at = job.start_time + job.duration
    quiet = max(0, asked_at - job.last_modification)
    return JobOverview(
        job_id=job.jid,
        name=one_line(job.name, 200),
        state=one_line(job.state, 40),
        tasks_total=job.tasks.total,
        tasks_running=job.tasks.running,
        tasks_finished=job.tasks.finished,
        last_modification=job.last_modification,
        quiet_for=timedelta(milliseconds=quiet),
        asked_at=instant(asked_at) if job.state not in OVER else None,
        job_type=one_line(job.job_type or "", 40),
    )


def _failure(entry: HistoryEntry) -> Failure:
    return failure_of_trace(entry.stacktrace or entry.exception_name, instant(entry.timestamp))


def _checkpoints(reply: CheckpointsReply) -> Checkpoints:
    latest = reply.latest
    newest_first = sorted(reply.history, key=lambda entry: entry.id, reverse=True)
    candidates = [latest.completed] if latest.completed else []
    candidates += [
        entry for entry in newest_first if entry.status == "COMPLETED" and not entry.is_savepoint
    ]
    # A snapshot that somebody asked for in vain says nothing about the job's own checkpoints.
    own = [entry for entry in newest_first if entry.status == "COMPLETED" or not entry.is_savepoint]
    since_success = itertools.takewhile(lambda entry: entry.status != "COMPLETED", own)
    failed = [entry for entry in since_success if entry.status == "FAILED"]
    reason = failed[0].failure_message if failed else None
    restored = latest.restored.external_path if latest.restored else None
    return Checkpoints(
        completed=reply.counts.completed,
        failed=reply.counts.failed,
        newest=next(filter(None, map(_on_disk, candidates)), None),
        savepoint=_on_disk(latest.savepoint) if latest.savepoint else None,
        restored_path=restored if restored != NOT_ADDRESSABLE else None,
        failures=tuple(entry.trigger_timestamp for entry in failed),
        last_failure=failure_of_trace(reason).message if reason else None,
    )


def _on_disk(entry: CheckpointEntry) -> Checkpoint | None:
    if entry.discarded or entry.external_path in {None, NOT_ADDRESSABLE}:
        return None
    return Checkpoint(str(entry.external_path), entry.completed_at, entry.is_savepoint, entry.id)
