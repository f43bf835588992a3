"""A run is open, no operation under way: is it well, and does the user want something else?"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from streamjob_operator.api.conditions import ConditionType
from streamjob_operator.api.spec import UpgradeMode, Wish
from streamjob_operator.api.status import (
    Operation,
    OperationType,
    Phase,
    SnapshotOrigin,
    State,
    StreamJobStatus,
)
from streamjob_operator.decide.finished import (
    CONTAINER_GRACE,
    ended_unseen,
    is_nameless,
    job_cancelled,
    job_failed,
    job_finished,
    jobmanager_failure,
)
from streamjob_operator.decide.plan import (
    DisposeSnapshot,
    Event,
    Plan,
    ProtectHighAvailability,
    StartRun,
)
from streamjob_operator.decide.problems import (
    PENDING_BEFORE_WARNING,
    Problem,
    of_pending,
    of_silence,
)
from streamjob_operator.decide.transitions import (
    begin_ending,
    begin_inspection,
    begin_savepoint,
    failure_event,
)
from streamjob_operator.decide.view import (
    AT_ONCE,
    SOON,
    View,
    advise,
    changed,
    note_failure,
    state_of_open_run,
    warn,
)

FLICKER: Final = timedelta(seconds=3)
"""Tasks may be between states this long before the job counts as disturbed."""
RESTARTS_THAT_WARN: Final = 3
QUIET_AFTER_RESTARTS: Final = timedelta(minutes=3)
FAILED_CHECKPOINTS_THAT_WARN: Final = 3
UNTIL_MENDED: Final = timedelta(seconds=5)
"""A running job is looked at this often while its checkpoints fail."""
PUT_BACK_AGAIN: Final = timedelta(seconds=30)
"""After missing objects could not be made again."""


def running(view: View) -> Plan:
    """The next step of a run that the operator has started and not ended."""
    return (
        _over(view)
        or _put_back(view)
        or _unknown(view)
        or _disturbed(view)
        or _wished(view)
        or _well(view)
    )


def _over(view: View) -> Plan | None:
    """The job has ended without a wish of the resource."""
    job = view.seen.flink.job
    if not view.seen.flink.reachable or job is None or not job.is_over:
        return None
    if job.state == "FINISHED":
        return job_finished(view)
    if job.state == "CANCELED" and view.seen.flink.application != "FAILED":
        return job_cancelled(view)
    return job_failed(view)


def _put_back(view: View) -> Plan | None:
    """Objects of the run are gone that nobody should have removed: make them again as they were."""
    run, record = view.seen.run, view.seen.record
    if run is not None and run.complete and record is not None:
        return None
    if record is None:
        gone = f"the record of run {view.status.run} (a ConfigMap) is gone"
        problem = Problem(
            f"{run.record_problem if run and run.record_problem else gone}: "
            "the job is left as it is, and can't be kept up, paused or upgraded",
            "put the ConfigMap back as it was; or note status.snapshot, set desiredState to "
            "Stopped, and start again with spec.restore.snapshot",
            heals=False,
        )
        status = changed(view.status, state=state_of_open_run(view), operation=None)
        return Plan(warn(view, status, "RecordLost", problem))
    status = changed(view.status, state=state_of_open_run(view), operation=None)
    if view.seen.trouble:
        text = f"objects of run {record.run} are missing and can't be made again"
        problem = Problem(f"{text}: {view.seen.trouble}")
        return Plan(advise(view, status, "PutBackFailed", problem), look_again=PUT_BACK_AGAIN)
    tried = status.warning is not None and status.warning.reason == "PutBackFailed"
    event = Event("Warning", "PutBack", f"objects of run {record.run} are missing: making them")
    return Plan(status, (StartRun(record),), () if tried else (event,), AT_ONCE)


def _unknown(view: View) -> Plan | None:
    """Flink can't be asked: say so, touch nothing."""
    flink = view.seen.flink
    if flink.reachable and flink.job is not None:
        return None
    if is_nameless(view):
        return begin_inspection(view, ended_unseen("the job has ended"))
    failure = jobmanager_failure(view)
    if failure is not None and view.seen.record is not None:
        return begin_inspection(view, failure)
    status = changed(view.status, state=State.UNKNOWN)
    text = flink.problem or "its REST interface does not name the job yet"
    if _unknown_for(view) <= CONTAINER_GRACE or status.retry is not None:
        return Plan(changed(status, operation=None), look_again=SOON)
    cause = of_silence(view.seen.jobmanagers, text)
    message = f"what the job does is not known: {cause.message}"
    known = status.warning is not None and status.warning.reason == "JobManagerUnavailable"
    status = warn(view, status, "JobManagerUnavailable", Problem(message, cause.remedy))
    events = () if known else (failure_event(status),)
    return Plan(changed(status, operation=None), (), events, SOON)


def _unknown_for(view: View) -> timedelta:
    """Since the job was last seen running, if the state is Unknown now."""
    conditions = {condition.type: condition for condition in view.status.conditions}
    runs = conditions.get(ConditionType.RUNNING)
    if view.status.state is not State.UNKNOWN or runs is None:
        return timedelta(0)
    return view.now - runs.last_transition_time


def _disturbed(view: View) -> Plan | None:
    """Flink is restarting the job by itself: watch, and show the cause."""
    job = view.seen.flink.job
    if job is None or job.all_tasks_run:
        return None
    if job.state == "RUNNING" and job.quiet_for < FLICKER and view.status.state is State.RUNNING:
        return None
    old = view.operation
    restarts = view.seen.flink.restarts
    cause = restarts[0].message if restarts else ""
    running = f"{job.tasks_running} of {job.tasks_total} tasks run"
    operation = Operation(
        type=OperationType.RECOVER,
        started_at=old.started_at if old is not None else view.now,
        message=f"Flink says {job.state}, {running}" + (f": {cause}" if cause else ""),
    )
    status = changed(_with_restart_warning(view), state=State.OPERATING, operation=operation)
    waiting = of_pending(view.seen.pods, view.now)
    overdue = view.now - operation.started_at > PENDING_BEFORE_WARNING
    if waiting is not None and overdue and status.retry is None:
        status = changed(status, warning=view.status.warning)
        status = warn(view, status, "PodsPending", waiting)
    events = (
        ()
        if old is not None
        else (Event("Warning", "JobRestarting", cause or "tasks of the job do not run"),)
    )
    other = _pause(view, status) or _replace(view, status)
    if other is not None:
        return other
    return Plan(status, (), events, SOON)


def _with_restart_warning(view: View) -> StreamJobStatus:
    """The warning of a job that keeps restarting, until it has run quietly for some minutes."""
    status, restarts = view.status, view.seen.flink.restarts
    if status.retry is not None:
        return status
    job = view.seen.flink.job
    # The times of failures are Flink's, so they are held against Flink's clock.
    now = job.asked_at if job is not None and job.asked_at is not None else view.now
    horizon = now - QUIET_AFTER_RECENT
    recent = [failure for failure in restarts if failure.at is not None and failure.at > horizon]
    last = recent[0].at if recent else None
    noisy = last is not None and now - last < QUIET_AFTER_RESTARTS
    if len(recent) >= RESTARTS_THAT_WARN and noisy:
        times = f"{len(recent)} times since {recent[-1].at:%H:%M:%S} UTC"
        text = f"Flink restarted the job {times}: {recent[0].message}"
        return warn(
            view,
            status,
            "JobRestarting",
            Problem(text, "mend the cause; the job goes on by itself"),
        )
    if status.warning is not None and status.warning.reason in _LIVE_WARNINGS:
        return changed(status, warning=None)
    return status


QUIET_AFTER_RECENT: Final = timedelta(minutes=10)
_LIVE_WARNINGS: Final = frozenset(
    {
        "CheckpointsFailing",
        "JobManagerUnavailable",
        "JobRestarting",
        "NodeLost",
        "PodsPending",
        "PutBackFailed",
        "RecordLost",
    }
)


def _wished(view: View) -> Plan | None:
    """The user wants something else of a job that runs."""
    job = view.seen.flink.job
    if job is None or not job.all_tasks_run:
        return None
    status = changed(_with_restart_warning(view), state=State.RUNNING, operation=None)
    return _pause(view, status) or _replace(view, status) or _snapshot(view, status)


def until_retry(view: View, status: StreamJobStatus) -> timedelta:
    """When to look again: for the next attempt of what failed, and now and then anyway."""
    resync = timedelta(seconds=view.settings.resync_seconds)
    retry = status.retry
    if retry is None or retry.next_attempt_at is None or retry.next_attempt_at <= view.now:
        return resync
    return min(resync, max(retry.next_attempt_at - view.now, SOON))


def may_try(view: View, kind: OperationType) -> bool:
    """The operation has not failed before, or its next attempt is due."""
    retry = view.status.retry
    if retry is None or retry.operation is not kind:
        return True
    return retry.next_attempt_at is not None and view.now >= retry.next_attempt_at


def _pause(view: View, status: StreamJobStatus) -> Plan | None:
    if view.wish is not Wish.PAUSED or not may_try(view, OperationType.PAUSE):
        return None
    if view.seen.record is None:
        return None
    return begin_savepoint(
        view,
        status,
        OperationType.PAUSE,
        SnapshotOrigin.PAUSE,
        "taking a snapshot, then the job ends",
    )


def _replace(view: View, status: StreamJobStatus) -> Plan | None:
    """Restart and Upgrade: the run is replaced by another."""
    if view.wish is not Wish.RUNNING or view.seen.run_spec is None:
        return None
    if view.restart_wished:
        kind, origin, text = OperationType.RESTART, SnapshotOrigin.RESTART, "a new restartNonce"
    elif view.edited:
        kind, origin, text = OperationType.UPGRADE, SnapshotOrigin.UPGRADE, "the spec was edited"
    else:
        return None
    if not may_try(view, kind):
        return None
    if view.seen.spec.upgrade.mode is UpgradeMode.SAVEPOINT:
        return begin_savepoint(view, status, kind, origin, text)
    operation = Operation(
        type=kind,
        phase=Phase.ENDING,
        attempt=1,
        started_at=view.now,
        previous_run=status.run if kind is OperationType.UPGRADE else None,
    )
    status = changed(status, operation=operation)
    text = f"{text}; upgrade.mode is Stateless, so the state is dropped"
    return begin_ending(view, status, State.RUNNING, text, Event("Normal", f"{kind}ing", text))


def _snapshot(view: View, status: StreamJobStatus) -> Plan | None:
    """A snapshot on demand, or one that is due."""
    nonce = view.seen.spec.snapshot_nonce
    if nonce != (status.observed_snapshot_nonce or ""):
        noted = changed(status, observed_snapshot_nonce=nonce)
        return begin_savepoint(
            view, noted, OperationType.SNAPSHOT, SnapshotOrigin.MANUAL, "a new snapshotNonce"
        )
    retry = status.retry
    if (
        retry is not None
        and retry.operation is OperationType.SNAPSHOT
        and may_try(view, OperationType.SNAPSHOT)
    ):
        return begin_savepoint(
            view, status, OperationType.SNAPSHOT, SnapshotOrigin.MANUAL, "trying the snapshot again"
        )
    every = view.seen.spec.snapshots.every
    taken = status.snapshots[0].taken_at if status.snapshots else None
    since = max(filter(None, (taken, status.start_time)), default=view.now)
    if every is not None and view.now - since >= every and status.retry is None:
        return begin_savepoint(
            view,
            status,
            OperationType.SNAPSHOT,
            SnapshotOrigin.PERIODIC,
            "a periodic snapshot is due (spec.snapshots.every)",
        )
    return None


def _failing_checkpoints(view: View) -> Problem | None:
    """Checkpoints fail again and again although all tasks run."""
    checkpoints, job = view.seen.flink.checkpoints, view.seen.flink.job
    if checkpoints is None or job is None:
        return None
    # Those before the tasks last began to run failed with the tasks.
    failures = [at for at in checkpoints.failures if at > job.last_modification]
    if len(failures) < FAILED_CHECKPOINTS_THAT_WARN:
        return None
    name = view.seen.job.name
    return Problem(
        f"{FAILED_CHECKPOINTS_THAT_WARN} or more checkpoints in a row failed: "
        f"{checkpoints.last_failure}",
        "check that the job's pods can write to spec.storage.uri and that it is not full; the "
        f"JobManager's log has the cause: kubectl logs -l streamjob.dev/job={name},"
        "app.kubernetes.io/component=jobmanager --tail=-1 | grep -A5 -i checkpoint",
    )


def _well(view: View) -> Plan:
    """Nothing to do but to report; snapshots beyond `retain` are disposed of, one at a time."""
    status = _with_restart_warning(view)
    job = view.seen.flink.job
    if job is not None and job.all_tasks_run:
        status = changed(status, state=State.RUNNING, operation=None)
    problem = _failing_checkpoints(view)
    if problem is not None and status.retry is None and status.warning is None:
        status = changed(status, warning=view.status.warning)
        status = warn(view, status, "CheckpointsFailing", problem)
    retain = view.seen.spec.snapshots.retain
    if len(status.snapshots) > retain:
        old = status.snapshots[-1]
        status = changed(status, snapshots=status.snapshots[:-1])
        keeps = status.snapshot is not None and status.snapshot.path == old.path
        owned = old.origin not in {SnapshotOrigin.CHECKPOINT, SnapshotOrigin.RESTORE}
        if owned and not keeps and old.path != status.started_from:
            return Plan(status, (DisposeSnapshot(status.run or 0, old.path),))
    if job is None or not job.all_tasks_run:
        return Plan(status, look_again=SOON)
    if any(
        each.run == status.run and not each.protected and not each.deleting
        for each in view.seen.high_availability
    ):
        return Plan(status, (ProtectHighAvailability(status.run or 0),), look_again=SOON)
    failing = status.warning is not None and status.warning.reason == "CheckpointsFailing"
    return Plan(status, look_again=UNTIL_MENDED if failing else until_retry(view, status))


def snapshot_while_nothing_runs(view: View, status: StreamJobStatus) -> StreamJobStatus:
    """A snapshot was asked for and there is no job to take it of."""
    nonce = view.seen.spec.snapshot_nonce
    if nonce == (status.observed_snapshot_nonce or ""):
        return status
    if status.retry is not None:
        return changed(status, observed_snapshot_nonce=nonce)
    problem = Problem(
        "a snapshot was asked for, but the job does not run",
        "set desiredState to Running, then set a new spec.snapshotNonce",
        heals=False,
    )
    status = note_failure(view, status, OperationType.SNAPSHOT, problem)
    return changed(status, observed_snapshot_nonce=nonce)
