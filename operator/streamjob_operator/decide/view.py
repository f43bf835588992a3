"""What the rules look at, and the few changes of status that they share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from streamjob_operator.api.run import (
    RunRecord,
    RunSpec,
    flink_job_id_of,
    jobmanager_name,
    run_name,
)
from streamjob_operator.api.spec import UpgradeMode, Wish
from streamjob_operator.api.status import (
    JobWarning,
    Operation,
    OperationType,
    RetryStatus,
    Snapshot,
    SnapshotOrigin,
    State,
    StreamJobStatus,
)
from streamjob_operator.decide.observed import Observed
from streamjob_operator.decide.plan import RemoveLeftovers
from streamjob_operator.decide.problems import Problem, backoff_after
from streamjob_operator.decide.resolve import new_record
from streamjob_operator.errors import InvalidSpec
from streamjob_operator.flink.models import Checkpoint, Checkpoints
from streamjob_operator.settings import Settings

_SLASHES: Final = re.compile(r":/+")
AT_ONCE: Final = timedelta(milliseconds=200)
SOON: Final = timedelta(seconds=1)
QUIET: Final = timedelta(seconds=10)
"""A job that ran undisturbed this long has started (contract, section 3)."""
QUIET_AFTER_RECOVERY: Final = timedelta(minutes=10)
"""Recover counts its attempts anew after this (contract, section 2)."""
ADVICE: Final = frozenset(
    {
        "InvalidSpec",
        "JobRestarting",
        "JobManagerUnavailable",
        "PodsPending",
        "CheckpointsFailing",
        "NodeLost",
        "PauseSlow",
        "PutBackFailed",
        "RecordLost",
    }
)
"""Warnings that are no failed operation."""
KEPT_IN_STATUS: Final = 10
"""Entries of `status.snapshots`."""


@dataclass(frozen=True)
class View:
    """One look, the operator's settings and the time."""

    seen: Observed
    settings: Settings
    now: datetime

    @property
    def status(self) -> StreamJobStatus:
        """The status as last recorded."""
        return self.seen.status

    @property
    def operation(self) -> Operation | None:
        """The operation under way."""
        return self.seen.status.operation

    @property
    def wish(self) -> Wish:
        """What the user wants; a resource that is being deleted is to be stopped."""
        return Wish.STOPPED if self.seen.deleting else self.seen.wish

    @property
    def nothing_left(self) -> bool:
        """No pod of any run, and nothing that would make one."""
        return not self.seen.pods and not any(run.holds_pods for run in self.seen.runs.values())

    @property
    def edited(self) -> bool:
        """The spec asks for another run than the one that was started."""
        record, wanted = self.seen.record, self.seen.run_spec
        return record is not None and wanted is not None and record.spec != wanted

    @property
    def restart_wished(self) -> bool:
        """A new `restartNonce` stands in the spec."""
        return self.seen.spec.restart_nonce != (self.status.observed_restart_nonce or "")

    @property
    def stateless(self) -> bool:
        """The user gave leave to drop the state."""
        return self.seen.spec.upgrade.mode is UpgradeMode.STATELESS


def leftovers(view: View, *, keep_records: tuple[int, ...] = ()) -> RemoveLeftovers | None:
    """What ended runs left beside their pods, but for the records that are still needed."""
    name = view.seen.job.name
    runs = view.seen.runs.items()
    services = tuple(jobmanager_name(name, number) for number, run in runs if run.service)
    records = tuple(
        run_name(name, number)
        for number, run in runs
        if run.config_map and number not in keep_records
    )
    flinks = view.seen.high_availability
    config_maps = (*(each.name for each in flinks), *records)
    protected = tuple(each.name for each in flinks if each.protected)
    inspectors = tuple(
        each.pod.name for each in view.seen.inspectors if each.pod.deleting_since is None
    )
    found = RemoveLeftovers(services, config_maps, protected, inspectors)
    return found if found != RemoveLeftovers() else None


def changed(status: StreamJobStatus, **changes: Any) -> StreamJobStatus:
    """The status with some fields replaced."""
    return status.model_copy(update=changes)


def in_operation(status: StreamJobStatus, **changes: Any) -> StreamJobStatus:
    """The status with some fields of its operation replaced."""
    assert status.operation is not None  # noqa: S101 - only called by rules of an operation
    return changed(status, operation=status.operation.model_copy(update=changes))


def close_run(status: StreamJobStatus, now: datetime) -> StreamJobStatus:
    """The current run ends now: its seconds go to the total. A closed run stays as it is."""
    if not status.run or status.stop_time is not None:
        return status
    seconds = int((now - status.start_time).total_seconds()) if status.start_time else 0
    return changed(
        status,
        stop_time=now,
        accumulated_seconds=(status.accumulated_seconds or 0) + max(seconds, 0),
    )


def keep_snapshot(status: StreamJobStatus, snapshot: Snapshot) -> StreamJobStatus:
    """The snapshot becomes the one to go on from, and the newest of the list."""
    others = tuple(old for old in status.snapshots if old.path != snapshot.path)
    return changed(status, snapshot=snapshot, snapshots=(snapshot, *others)[: KEPT_IN_STATUS + 1])


def newest_state(view: View) -> Snapshot | None:
    """The newest state of the current run: its checkpoint, else what it started from or saved
    since.
    """
    checkpoints: Checkpoints | None = view.seen.flink.checkpoints
    kept = view.status.snapshot
    newest = checkpoints.newest if checkpoints is not None else None
    saved = checkpoints.savepoint if checkpoints is not None else None
    restored = checkpoints.restored_path if checkpoints is not None else None
    if newest is None and restored is not None and has_checkpoint_of_its_own(view):
        # A JobManager that took over has no statistics yet, but knows what it went on from.
        newest = Checkpoint(restored, view.now)
    if newest is None:
        return kept
    # Flink's numbers, never times: the clocks of two nodes may differ by more than a checkpoint.
    # What the JobManager does not list is older than all that it does.
    if (
        kept is not None
        and saved is not None
        and _same_place(saved.path, kept.path)
        and saved.number > newest.number
    ):
        return kept
    return checkpoint_snapshot(view, newest.path, newest.taken_at)


def checkpoint_snapshot(view: View, path: str, taken_at: datetime) -> Snapshot:
    """A checkpoint of the current run, as a snapshot to go on from."""
    name = path.rstrip("/").rsplit("/", 1)[-1]
    return Snapshot(
        id=f"{name}-{view.status.run}",
        path=path,
        origin=SnapshotOrigin.CHECKPOINT,
        taken_at=taken_at,
        flink_version=view.seen.record.spec.flink_version if view.seen.record else None,
    )


def has_checkpoint_of_its_own(view: View) -> bool:
    """The current run completed a checkpoint, so its sinks may have committed."""
    checkpoints = view.seen.flink.checkpoints
    if checkpoints is None:
        return False
    record, restored = view.seen.record, checkpoints.restored_path
    begun = record.restore_path if record is not None else None
    went_on = restored is not None and not (begun and _same_place(restored, begun))
    return checkpoints.completed > 0 or went_on


def _same_place(one: str, other: str) -> bool:
    """The same path, whether it is written `file:/data` or `file:///data`."""
    return _SLASHES.sub(":/", one).rstrip("/") == _SLASHES.sub(":/", other).rstrip("/")


def was_established(view: View) -> bool:
    """Flink has shown the job of the current run before."""
    flink = view.status.flink
    return flink is not None and flink.job_state is not None


def may_have_checkpoints(view: View) -> bool:
    """The current run completed a checkpoint, or can't be asked now whether it did."""
    if view.seen.flink.checkpoints is not None:
        return has_checkpoint_of_its_own(view)
    # What Flink's HA leaves shows that a JobManager led, also while its pod is away.
    has_led = bool(view.seen.high_availability)
    is_there = has_led or any(pod.running for pod in view.seen.jobmanagers)
    return was_established(view) or (is_there and not view.seen.flink.reachable)


def record_of_next_run(
    view: View, status: StreamJobStatus, run_spec: RunSpec | None, run: int
) -> RunRecord | Problem:
    """What the run is made from when it starts from `status.snapshot`, or afresh without one."""
    if run_spec is None:
        return Problem(view.seen.spec_problem, heals=False)
    snapshot = status.snapshot
    try:
        return new_record(
            job=view.seen.job,
            run=run,
            run_spec=run_spec,
            spec=view.seen.spec,
            restore_path=snapshot.path if snapshot else None,
            settings=view.settings,
            now=view.now,
        )
    except InvalidSpec as refusal:
        return Problem(str(refusal), heals=False)


def state_of_open_run(view: View) -> State:
    """What the current run really does, where no operation says more of it."""
    flink = view.seen.flink
    if not flink.reachable or flink.job is None:
        return State.UNKNOWN
    return State.RUNNING if flink.job.all_tasks_run else State.OPERATING


def flink_job_id(view: View) -> str:
    """Flink's id of the current run."""
    return flink_job_id_of(view.seen.job.uid, view.status.run or 0)


def warn(view: View, status: StreamJobStatus, reason: str, problem: Problem) -> StreamJobStatus:
    """The warning; `since` stays while the reason does."""
    old = status.warning
    since = old.since if old is not None and old.reason == reason else view.now
    return changed(
        status,
        warning=JobWarning(
            reason=reason, message=problem.message, remedy=problem.remedy, since=since
        ),
    )


def advise(view: View, status: StreamJobStatus, reason: str, problem: Problem) -> StreamJobStatus:
    """A warning that is no failed operation, and never takes the place of one."""
    told = status.warning
    fails = told is not None and told.reason not in ADVICE and reason in ADVICE
    return status if fails or status.retry is not None else warn(view, status, reason, problem)


def note_failure(
    view: View, status: StreamJobStatus, kind: OperationType, problem: Problem, reason: str = ""
) -> StreamJobStatus:
    """The operation failed: the warning, how often, and when it is tried again, if at all.

    A snapshot never takes the place of another operation's failure, which would be forgotten.
    """
    retry = status.retry
    counted = retry is not None and retry.operation is kind
    if kind is OperationType.SNAPSHOT and retry is not None and not counted:
        return status
    attempts = (retry.attempts if retry is not None and counted else 0) + 1
    again = problem.heals and attempts < view.seen.spec.retry.max_attempts
    status = warn(view, status, reason or f"{kind}Failed", problem)
    assert status.warning is not None  # noqa: S101 - set on the line above
    return changed(
        status,
        warning=status.warning.model_copy(update={"attempts": attempts}),
        retry=RetryStatus(
            operation=kind,
            generation=view.seen.generation,
            attempts=attempts,
            next_attempt_at=view.now + backoff_after(attempts) if again else None,
        ),
    )


def without_failure(status: StreamJobStatus) -> StreamJobStatus:
    """The operation succeeded: no warning, nothing to retry."""
    return changed(status, warning=None, retry=None)
