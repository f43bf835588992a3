"""The parts of Flink's REST replies that are read, as they look on the wire.

A reply of another shape fails validation as a whole: half-understood answers lead to wrong states.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Id = Annotated[str, Field(pattern=r"^[0-9a-fA-F]{32}$")]
"""An id of Flink, 32 hex digits: nothing else may become part of a URL."""

Millis = Annotated[int, Field(ge=0, le=253_402_300_799_999)]
"""Milliseconds since 1970, up to the year 9999."""

Location = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,2048}$")]
"""A path in some file system: no control characters."""

NOT_ADDRESSABLE = "<checkpoint-not-externally-addressable>"
"""What Flink gives as the path of a checkpoint that only lives in memory."""


def instant(millis: int) -> datetime:
    """The point in time, in UTC."""
    return datetime.fromtimestamp(millis / 1000, UTC)


def _hyphens(name: str) -> str:
    return name.replace("_", "-")


class Reply(BaseModel):
    """A JSON object of which only the named members count."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Tasks(Reply):
    """How many tasks are in which state."""

    total: int
    running: int
    finished: int


class Job(Reply):
    """One job of the overview."""

    model_config = ConfigDict(alias_generator=_hyphens)

    jid: Id
    name: str
    state: str
    job_type: str | None = Field(default=None, alias="jobType")
    start_time: Millis
    duration: int
    last_modification: Millis
    tasks: Tasks


class JobsReply(Reply):
    """`GET /jobs/overview`."""

    jobs: tuple[Job, ...]


class JobTypeReply(Reply):
    """`GET /jobs/:id`, of which only the type is wanted."""

    job_type: str | None = Field(default=None, alias="job-type")


class HistoryEntry(Reply):
    """One entry of an exception history."""

    exception_name: str = Field(default="", alias="exceptionName")
    stacktrace: str = ""
    timestamp: Millis


class History(Reply):
    """The exceptions of a job or an application, newest first."""

    entries: tuple[HistoryEntry, ...] = ()


class ExceptionsReply(Reply):
    """`GET /jobs/:id/exceptions` and `GET /applications/:id/exceptions`."""

    history: History = Field(default=History(), alias="exceptionHistory")


class Application(Reply):
    """One application of the overview."""

    id: Id
    status: str


class ApplicationsReply(Reply):
    """`GET /applications/overview`, since Flink 2.3."""

    applications: tuple[Application, ...]


class CheckpointCounts(Reply):
    """Counters since the JobManager started."""

    completed: int
    failed: int


class CheckpointEntry(Reply):
    """A checkpoint or savepoint, completed or not."""

    id: int
    status: str
    is_savepoint: bool = False
    trigger_timestamp: Millis
    latest_ack_timestamp: int = 0
    external_path: Location | None = None
    discarded: bool = False
    failure_message: str | None = None

    @property
    def completed_at(self) -> datetime:
        """When the last task had answered, or, where that is not known, when it was triggered."""
        return instant(max(self.latest_ack_timestamp, self.trigger_timestamp))


class RestoredEntry(Reply):
    """What the job was restored from."""

    external_path: Location | None = None


class LatestCheckpoints(Reply):
    """The newest of each kind."""

    completed: CheckpointEntry | None = None
    savepoint: CheckpointEntry | None = None
    failed: CheckpointEntry | None = None
    restored: RestoredEntry | None = None


class CheckpointsReply(Reply):
    """`GET /jobs/:id/checkpoints`."""

    counts: CheckpointCounts
    latest: LatestCheckpoints
    history: tuple[CheckpointEntry, ...] = ()


class TriggerReply(Reply):
    """The answer to a request that Flink works on in the background."""

    request_id: Id = Field(alias="request-id")


class AsyncStatus(Reply):
    """How far a request in the background has come: COMPLETED may also mean failed."""

    id: str


class FailureCause(Reply):
    """A Java exception in a reply."""

    model_config = ConfigDict(alias_generator=_hyphens)

    stack_trace: str = ""


class AsyncOperation(Reply):
    """What came of a request in the background."""

    location: Location | None = None
    failure_cause: FailureCause | None = Field(default=None, alias="failure-cause")


class AsyncReply(Reply):
    """`GET /jobs/:id/savepoints/:trigger` and `GET /savepoint-disposal/:trigger`."""

    status: AsyncStatus
    operation: AsyncOperation | None = None


class ConfigReply(Reply):
    """`GET /config`."""

    flink_version: str = Field(alias="flink-version")


class ErrorsReply(Reply):
    """What every answer that says no contains."""

    errors: tuple[str, ...] = ()
