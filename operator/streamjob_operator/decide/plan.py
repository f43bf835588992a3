"""What comes out of a decision: what to report, what to do, when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from streamjob_operator.api.run import RunRecord
from streamjob_operator.api.status import StreamJobStatus
from streamjob_operator.kube.ownership import Edit


@dataclass(frozen=True)
class StartRun:
    """Make the run's objects, or put back those that are missing."""

    record: RunRecord


@dataclass(frozen=True)
class PutBack:
    """Apply objects of a run again that were edited, as they were when it was started."""

    run: int
    edits: tuple[Edit, ...]


@dataclass(frozen=True)
class StopWithSavepoint:
    """Ask Flink to take a savepoint and end the job. Asking twice under one id is harmless."""

    run: int
    flink_job_id: str
    trigger_id: str
    target_dir: str
    format: str


@dataclass(frozen=True)
class TakeSavepoint:
    """Ask Flink for a savepoint while the job runs on. Asking again under one id is harmless."""

    run: int
    flink_job_id: str
    trigger_id: str
    target_dir: str
    format: str


@dataclass(frozen=True)
class CancelJob:
    """Ask Flink to cancel the job, so that it removes its own checkpoints."""

    run: int
    flink_job_id: str


@dataclass(frozen=True)
class ProtectHighAvailability:
    """Keep the run's HA ConfigMaps from being deleted by hand: Flink would start the job empty."""

    run: int


@dataclass(frozen=True)
class Inspect:
    """Make the pod that looks for the run's newest state in its storage."""

    record: RunRecord
    number: int
    target_dirs: tuple[str, ...] = ()
    """Of savepoints that were asked for, beside the run's own checkpoints."""


@dataclass(frozen=True)
class RemovePods:
    """Remove all that makes or is a pod of the job, of every run."""


@dataclass(frozen=True)
class RemoveTaskManagers:
    """Remove a run's TaskManagers alone: from then on the job completes no checkpoint any more."""

    run: int


@dataclass(frozen=True)
class RemoveLeftovers:
    """Remove what ended runs left beside Flink's pods, by name."""

    services: tuple[str, ...] = ()
    config_maps: tuple[str, ...] = ()
    protected: tuple[str, ...] = ()
    """Those of the ConfigMaps that are kept from being deleted."""
    inspectors: tuple[str, ...] = ()


@dataclass(frozen=True)
class DisposeSnapshot:
    """Have Flink remove the files of a snapshot that retention no longer keeps."""

    run: int
    path: str


Action = (
    StartRun
    | PutBack
    | StopWithSavepoint
    | TakeSavepoint
    | CancelJob
    | Inspect
    | ProtectHighAvailability
    | RemovePods
    | RemoveTaskManagers
    | RemoveLeftovers
    | DisposeSnapshot
)


@dataclass(frozen=True)
class Event:
    """A Kubernetes event on the StreamJob, for a transition."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True)
class Plan:
    """The status is recorded first, the actions follow: nothing is done that was not announced."""

    status: StreamJobStatus
    actions: tuple[Action, ...] = ()
    events: tuple[Event, ...] = ()
    look_again: timedelta = timedelta(minutes=1)
    """At the latest; whatever is heard from the cluster brings it forward."""
