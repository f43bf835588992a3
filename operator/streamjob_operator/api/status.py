"""What the operator reports: `status` of a StreamJob, typed. Intents are recorded here too."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import Field

from streamjob_operator.api.conditions import Condition
from streamjob_operator.api.model import Model, Time


class State(StrEnum):
    """What the job REALLY does. `Unknown`: Flink can't be asked right now."""

    OPERATING = "Operating"
    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"
    UNKNOWN = "Unknown"


class OperationType(StrEnum):
    """The operations of the contract."""

    RUN = "Run"
    RESUME = "Resume"
    PAUSE = "Pause"
    STOP = "Stop"
    UPGRADE = "Upgrade"
    RESTART = "Restart"
    RECOVER = "Recover"
    SNAPSHOT = "Snapshot"


class SnapshotOrigin(StrEnum):
    """What made a snapshot."""

    PAUSE = "Pause"
    MANUAL = "Manual"
    PERIODIC = "Periodic"
    UPGRADE = "Upgrade"
    RESTART = "Restart"
    DELETION = "Deletion"
    CHECKPOINT = "Checkpoint"
    RESTORE = "Restore"


class Phase(StrEnum):
    """How far an operation is. Recorded before the acts of the phase begin."""

    SNAPSHOTTING = "Snapshotting"
    INSPECTING = "Inspecting"
    ENDING = "Ending"
    STARTING = "Starting"


class Snapshot(Model):
    """A snapshot that Flink named."""

    id: str
    path: str
    origin: SnapshotOrigin
    taken_at: Time
    flink_version: str | None = None


class InspectionStatus(Model):
    """The search for a run's newest state in the job's storage, once no JobManager can tell it."""

    number: int
    """Which inspector pod this is, counted from 1 for each search."""
    due_at: Time
    """Not before this one is made; later ones wait longer."""
    cause: str
    """What the job was lost to, in words for the user."""
    remedy: str | None = None
    heals: bool = True
    """Time may heal what it was lost to."""


class Operation(Model):
    """The operation under way, and the intent behind it.

    Whatever must not happen twice stands here before it is done: the savepoint's trigger id and
    directory before Flink is asked, the run's Flink job id before its objects are made.
    """

    type: OperationType
    phase: Phase | None = None
    """Absent where Flink itself is recovering: the operator only watches."""
    attempt: int | None = None
    """Counted from 1; absent where Flink itself is recovering."""
    started_at: Time
    message: str = ""
    trigger_id: str | None = None
    """The savepoint asked for, 32 hex digits; present while a snapshot is being taken."""
    target_dir: str | None = None
    origin: SnapshotOrigin | None = None
    """What the snapshot being taken is for."""
    flink_job_id: str | None = None
    """The run being started, 32 hex digits; present from the intent to start it on."""
    then: State | None = None
    """Where an ending leads: Paused, Stopped, or Running when another run is to follow."""
    previous_run: int | None = None
    """The run whose spec an Upgrade goes back to when the new one can't start."""
    kept_snapshot: Snapshot | None = None
    """What `snapshot` was before `restore.snapshot` took its place: it comes back if the start
    fails.
    """
    inspection: InspectionStatus | None = None
    """Present in the phase Inspecting."""


class JobWarning(Model):
    """What did not succeed, in words that say what to do. Stays until it succeeds or the wish
    changes.
    """

    reason: str
    message: str
    remedy: str | None = None
    since: Time
    attempts: int | None = None


class FlinkStatus(Model):
    """Flink's own view of the run."""

    job_id: str | None = None
    job_state: str | None = None
    restarts: int | None = None
    version: str | None = None
    ui_url: str | None = None


class RetryStatus(Model):
    """How often the operation that failed was tried, for which wish, and when it is tried again."""

    operation: OperationType
    generation: int
    attempts: int
    next_attempt_at: Time | None = None
    """Absent: given up until the resource is edited or a new nonce is set."""
    warning: JobWarning | None = None
    """What is to be told of it, while a graver warning stands in the place of that."""


class StreamJobStatus(Model):
    """`status` of a StreamJob: the job's detail page."""

    job_id: str | None = None
    type: str | None = None
    state: State | None = None
    operation: Operation | None = None
    warning: JobWarning | None = None
    retry: RetryStatus | None = None
    recoveries: int | None = None
    """Starts by Recover since the job last ran 10 minutes undisturbed."""
    region: str | None = None
    zone: str | None = None
    start_time: Time | None = None
    stop_time: Time | None = None
    run: int | None = None
    ended: bool | None = None
    """The run ended without a wish: it finished or was cancelled. Only a new wish starts another.
    """
    accumulated_seconds: int | None = None
    running_cu: str | None = Field(default=None, alias="runningCU")
    snapshot: Snapshot | None = None
    snapshots: tuple[Snapshot, ...] = ()
    flink: FlinkStatus | None = None
    started_from: str | None = None
    script_hash: str | None = None
    observed_generation: int | None = None
    observed_restart_nonce: str | None = None
    observed_snapshot_nonce: str | None = None
    observed_restore: str | None = None
    """`restore.snapshot` as the last start took note of it."""
    conditions: tuple[Condition, ...] = ()

    def to_wire(self) -> dict[str, Any]:
        """As Kubernetes stores it: what is not set, or empty, is absent."""
        wire = super().to_wire()
        return {name: value for name, value in wire.items() if value not in ("", [])}
