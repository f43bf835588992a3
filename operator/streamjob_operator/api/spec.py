"""What a user declares: `spec` of a StreamJob, typed.

The schema in `crds/` has checked shapes, enums and defaults before an object gets here; the same
defaults stand in these models so that a spec kept from an earlier run reads the same (a test holds
the two together).
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, field_validator

from streamjob_operator.api.model import Duration, Model, Time


class Wish(StrEnum):
    """`spec.desiredState`."""

    RUNNING = "Running"
    PAUSED = "Paused"
    STOPPED = "Stopped"


class KeyRef(Model):
    """A key of a ConfigMap in the StreamJob's namespace."""

    name: str
    key: str


class ScriptFrom(Model):
    """Where the SQL text lies, when it is not in the resource itself."""

    config_map_key_ref: KeyRef


class NameRef(Model):
    """An object in the StreamJob's namespace, by name."""

    name: str


class Sql(Model):
    """A SQL job: the text of one pipeline."""

    script: str | None = None
    script_from: ScriptFrom | None = None
    secret_ref: NameRef | None = None


class Jar(Model):
    """A JAR job: a program that builds one pipeline. The jar is fetched by the job's pods."""

    uri: str
    main_class: str | None = None
    args: tuple[str, ...] = ()


class StartPosition(StrEnum):
    """Where a fresh run of a SQL job begins to read its Kafka sources."""

    LATEST = "Latest"
    EARLIEST = "Earliest"
    TIMESTAMP = "Timestamp"


class StartFrom(Model):
    """`spec.startFrom`: for fresh runs alone."""

    position: StartPosition
    timestamp: Time | None = None


class Resources(Model):
    """What one pod holds. 1 CU is 1 CPU and the operator's GiB per CU (4 unless set)."""

    cu: Decimal = Decimal(1)

    @field_validator("cu", mode="before")
    @classmethod
    def _number_or_text(cls, value: object) -> object:
        return str(value) if isinstance(value, int | float) else value


class TaskManagerResources(Resources):
    """What one TaskManager holds, and into how many slots it is divided."""

    slots: int = 1


class ResourcesSpec(Model):
    """`spec.resources`."""

    job_manager: Resources = Resources(cu=Decimal("0.5"))
    task_manager: TaskManagerResources = TaskManagerResources()


class Storage(Model):
    """Where checkpoints, savepoints and HA data go."""

    uri: str


class Start(Model):
    """Bounds of an operation that starts the job."""

    timeout: Duration = timedelta(minutes=10)


class SnapshotFormat(StrEnum):
    """Flink's savepoint formats: Canonical outlives versions and state backends."""

    CANONICAL = "Canonical"
    NATIVE = "Native"


class OnPauseFailure(StrEnum):
    """What a pause does when no snapshot could be taken in time."""

    KEEP_RUNNING = "KeepRunning"
    USE_CHECKPOINT = "UseCheckpoint"


class Pause(Model):
    """Bounds and form of Pause; the format also holds for every other snapshot."""

    timeout: Duration = timedelta(minutes=10)
    format: SnapshotFormat = SnapshotFormat.CANONICAL
    on_failure: OnPauseFailure = OnPauseFailure.KEEP_RUNNING


class Restore(Model):
    """How state is taken up again."""

    snapshot: str | None = None
    allow_non_restored_state: bool = False
    on_expired_offsets: Literal["Fail", "Skip"] = "Fail"


class UpgradeMode(StrEnum):
    """Whether an Upgrade or Restart carries the state over."""

    SAVEPOINT = "Savepoint"
    STATELESS = "Stateless"


class Upgrade(Model):
    """How an edit of a running job is carried out."""

    mode: UpgradeMode = UpgradeMode.SAVEPOINT


class Recovery(Model):
    """What the operator does when Flink has given a job up."""

    enabled: bool = True
    max_attempts: int = 5


class Retry(Model):
    """How often an operation that failed for want of infrastructure is tried in all."""

    max_attempts: int = 3


class Snapshots(Model):
    """Periodic snapshots (off by default) and how many are kept."""

    every: Duration | None = None
    retain: int = 10


class Deletion(Model):
    """What deleting the resource does to the state."""

    snapshot: bool = False


class ComponentSpec(Model):
    """`spec.jobManager` or `spec.taskManager`: a pod template of its own."""

    pod_template: dict[str, Any] | None = None


class StreamJobSpec(Model):
    """`spec` of a StreamJob."""

    desired_state: Wish = Wish.RUNNING
    sql: Sql | None = None
    jar: Jar | None = None
    start_from: StartFrom | None = None
    libraries: tuple[str, ...] = ()
    flink_version: str = "2.3"
    image: str | None = None
    parallelism: int = 1
    resources: ResourcesSpec = ResourcesSpec()
    storage: Storage | None = None
    flink_configuration: dict[str, str] = Field(default_factory=dict)
    start: Start = Start()
    pause: Pause = Pause()
    restore: Restore = Restore()
    upgrade: Upgrade = Upgrade()
    recovery: Recovery = Recovery()
    retry: Retry = Retry()
    snapshots: Snapshots = Snapshots()
    deletion: Deletion = Deletion()
    restart_nonce: str = ""
    snapshot_nonce: str = ""
    pod_template: dict[str, Any] | None = None
    job_manager: ComponentSpec = ComponentSpec()
    task_manager: ComponentSpec = ComponentSpec()
