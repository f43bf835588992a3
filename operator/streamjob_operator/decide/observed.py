"""What one look at the cluster and at Flink saw. Nothing in here is remembered or guessed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from streamjob_operator.api import constants
from streamjob_operator.api.run import JobRef, RunRecord, RunSpec
from streamjob_operator.api.spec import StreamJobSpec, Wish
from streamjob_operator.api.status import StreamJobStatus
from streamjob_operator.flink.models import (
    Checkpoints,
    Failure,
    JobOverview,
    SavepointResult,
)
from streamjob_operator.kube.ownership import Edit


@dataclass(frozen=True)
class ContainerEnd:
    """How a container ended: its exit code, Kubernetes' reason, and the last lines it wrote."""

    exit_code: int
    reason: str = ""
    message: str = ""


@dataclass(frozen=True)
class PodSeen:
    """One pod of the job, with what matters of its main container."""

    name: str
    run: int
    component: str
    created_at: datetime
    node: str | None = None
    phase: str = "Pending"
    running: bool = False
    deleting_since: datetime | None = None
    waiting_reason: str = ""
    waiting_message: str = ""
    unschedulable: str = ""
    last_end: ContainerEnd | None = None
    restarts: int = 0
    cpu: Decimal = Decimal(0)
    memory_bytes: int = 0

    @property
    def is_jobmanager(self) -> bool:
        """The pod of a JobManager, not of a TaskManager."""
        return self.component == constants.JOBMANAGER

    @property
    def is_inspector(self) -> bool:
        """A pod that looks into the job's storage, none of Flink's."""
        return self.component == constants.INSPECTOR


@dataclass(frozen=True)
class RunSeen:
    """The objects of one run that exist."""

    number: int
    record: RunRecord | None = None
    record_problem: str = ""
    config_map: bool = False
    service: bool = False
    jobmanager: bool = False
    taskmanagers: bool = False
    edits: tuple[Edit, ...] = ()
    """What others have changed of its Service and Deployments since they were applied."""

    @property
    def complete(self) -> bool:
        """Nothing of the run is missing."""
        return self.config_map and self.service and self.jobmanager and self.taskmanagers

    @property
    def holds_pods(self) -> bool:
        """Something exists that makes pods."""
        return self.jobmanager or self.taskmanagers


@dataclass(frozen=True)
class PutBackTried:
    """A field that was edited by hand, and how it went to put it back."""

    times: int
    last: datetime
    manager: str = ""
    """Who changed it, as far as Kubernetes says."""
    refusals: int = 0
    """How often the API server did not take it."""
    refused: str = ""
    """What it answered then, if that was the last time."""

    @property
    def done(self) -> int:
        """How often it was as it should be afterwards."""
        return self.times - self.refusals


@dataclass(frozen=True)
class HighAvailabilitySeen:
    """A ConfigMap in which Flink's HA keeps its leader, or a job's newest checkpoint."""

    name: str
    run: int
    protected: bool = False
    """It carries the finalizer that keeps it from being deleted by hand."""
    deleting: bool = False


@dataclass(frozen=True)
class FoundState:
    """A complete checkpoint or savepoint that lies in the job's storage."""

    path: str
    checkpoint_id: int
    """Flink's number, read from the state's own metadata: the greater one is the newer one."""
    taken_at: datetime
    is_savepoint: bool = False


@dataclass(frozen=True)
class Inspection:
    """What the inspector pod of a run has found in the job's storage."""

    run: int
    newest: FoundState | None = None
    missing: tuple[str, ...] = ()
    """Directories it was to look into that do not exist."""
    unreadable: tuple[str, ...] = ()
    """States that were completed and can't be read any more: any of them may be the newest."""
    problem: str = ""
    """Why it could not look, in words for the user; then nothing is known."""


@dataclass(frozen=True)
class InspectorSeen:
    """A pod that looks into the job's storage."""

    pod: PodSeen
    inspection: Inspection | None = None
    """Absent until it has ended."""


@dataclass(frozen=True)
class FlinkSeen:
    """What the current run's JobManager answered, as far as it was asked."""

    reachable: bool = False
    problem: str = ""
    job: JobOverview | None = None
    application: str = ""
    failure: Failure | None = None
    restarts: tuple[Failure, ...] = ()
    savepoint: SavepointResult | None = None
    checkpoints: Checkpoints | None = None
    version: str | None = None
    batch: bool = False
    nameless_since: datetime | None = None
    """Since when it has answered, at every look, without knowing the run's job."""
    unnamed_since: datetime | None = None
    """Since when, at every look, it could not be asked or did not name the job."""
    unexplained_since: datetime | None = None
    """Since when the job has been FAILED, at every look, without a cause."""


@dataclass(frozen=True)
class Observed:
    """One StreamJob and all that belongs to it."""

    job: JobRef
    generation: int
    wish: Wish
    status: StreamJobStatus
    spec: StreamJobSpec = field(default_factory=StreamJobSpec)
    run_spec: RunSpec | None = None
    """What a run started now would be made from; absent when the spec can't be carried out."""
    spec_problem: str = ""
    """Why it can't, in words for the user."""
    deleting: bool = False
    pods: tuple[PodSeen, ...] = ()
    """Flink's, as far as anything of them runs or may come to run."""
    inspectors: tuple[InspectorSeen, ...] = ()
    runs: Mapping[int, RunSeen] = field(default_factory=dict)
    high_availability: tuple[HighAvailabilitySeen, ...] = ()
    """Of any of the last runs."""
    flink: FlinkSeen = FlinkSeen()
    region: str | None = None
    zone: str | None = None
    trouble: str = ""
    """What the API server or Flink refused when the last plan was carried out."""
    put_backs: Mapping[str, PutBackTried] = field(default_factory=dict)
    """By object and field, as messages name them."""

    @property
    def run(self) -> RunSeen | None:
        """The current run, if any of its objects exist."""
        return self.runs.get(self.status.run or 0)

    @property
    def record(self) -> RunRecord | None:
        """The current run's record, if it exists."""
        return self.run.record if self.run else None

    @property
    def jobmanagers(self) -> tuple[PodSeen, ...]:
        """The current run's JobManager pods."""
        return tuple(
            pod for pod in self.pods if pod.is_jobmanager and pod.run == (self.status.run or 0)
        )

    @property
    def run_is_open(self) -> bool:
        """A run was started and the operator has not ended it."""
        return bool(self.status.run) and self.status.stop_time is None
