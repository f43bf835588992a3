"""How operations begin, end and fail: the steps that several rules share."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from streamjob_operator.api.run import RunSpec, savepoint_dir, trigger_id_of
from streamjob_operator.api.status import (
    FlinkStatus,
    InspectionStatus,
    Operation,
    OperationType,
    Phase,
    Snapshot,
    SnapshotOrigin,
    State,
    StreamJobStatus,
)
from streamjob_operator.decide.plan import (
    Action,
    Event,
    Plan,
    RemovePods,
    StartRun,
    StopWithSavepoint,
    TakeSavepoint,
)
from streamjob_operator.decide.problems import Problem
from streamjob_operator.decide.view import (
    AT_ONCE,
    SOON,
    View,
    advise,
    changed,
    close_run,
    flink_job_id,
    in_operation,
    note_failure,
    record_of_next_run,
    state_of_open_run,
)

BEGUN: Final = {
    OperationType.RUN: "Starting",
    OperationType.RESUME: "Resuming",
    OperationType.PAUSE: "Pausing",
    OperationType.STOP: "Stopping",
    OperationType.UPGRADE: "Upgrading",
    OperationType.RESTART: "Restarting",
    OperationType.RECOVER: "Recovering",
    OperationType.SNAPSHOT: "TakingSnapshot",
}
DONE: Final = {
    OperationType.RUN: "Started",
    OperationType.RESUME: "Resumed",
    OperationType.PAUSE: "Paused",
    OperationType.STOP: "Stopped",
    OperationType.UPGRADE: "Upgraded",
    OperationType.RESTART: "Restarted",
    OperationType.RECOVER: "Recovered",
    OperationType.SNAPSHOT: "SnapshotTaken",
}


def attempt_of(status: StreamJobStatus, kind: OperationType) -> int:
    """Which attempt the next one is."""
    retry = status.retry
    return retry.attempts + 1 if retry is not None and retry.operation is kind else 1


def begin_start(
    view: View,
    status: StreamJobStatus,
    kind: OperationType,
    run_spec: RunSpec | None,
    message: str,
) -> Plan:
    """Start a run from `status.snapshot`, or afresh where there is none: the intent, then its
    objects.
    """
    run = (status.run or 0) + 1
    record = record_of_next_run(view, status, run_spec, run)
    if isinstance(record, Problem):
        status = note_failure(view, status, kind, record)
        state = State.PAUSED if status.snapshot else State.STOPPED
        status = changed(status, operation=None, state=state)
        return Plan(status, (), (failure_event(status),))
    before = status.operation
    operation = Operation(
        type=kind,
        phase=Phase.STARTING,
        attempt=before.attempt if before and before.type is kind else attempt_of(status, kind),
        started_at=view.now,
        message=message,
        flink_job_id=record.flink_job_id,
        previous_run=before.previous_run if before else None,
    )
    status = changed(
        status,
        state=State.OPERATING,
        operation=operation,
        run=run,
        start_time=view.now,
        stop_time=None,
        ended=None,
        started_from=record.started_from,
        flink=FlinkStatus(job_id=record.flink_job_id),
        observed_restart_nonce=view.seen.spec.restart_nonce,
        observed_restore=view.seen.spec.restore.snapshot or "",
    )
    origin = f"from {record.started_from}" if record.restore_path else "afresh"
    return Plan(
        status,
        (StartRun(record),),
        (Event("Normal", BEGUN[kind], f"run {run} starts {origin}: {message}"),),
        AT_ONCE,
    )


def begin_savepoint(
    view: View, status: StreamJobStatus, kind: OperationType, origin: SnapshotOrigin, message: str
) -> Plan:
    """Announce a savepoint, under an id and a directory of its own, and ask for it."""
    record = view.seen.record
    assert record is not None  # noqa: S101 - callers act on a run that is there
    if view.seen.flink.batch:
        problem = Problem(
            "a batch job has no state to save, so no snapshot can be taken of it",
            "let it finish or set desiredState to Stopped; "
            "for an edit or restart, set spec.upgrade.mode to Stateless",
            heals=False,
        )
        return fail_running(view, status, kind, problem, f"{kind}Unsupported")
    trigger = trigger_id_of(view.seen.job.uid, record.run, view.now.isoformat())
    operation = Operation(
        type=kind,
        phase=Phase.SNAPSHOTTING,
        attempt=attempt_of(status, kind),
        started_at=view.now,
        message=message,
        trigger_id=trigger,
        target_dir=savepoint_dir(record.storage_dir, trigger),
        origin=origin,
        previous_run=record.run if kind is OperationType.UPGRADE else None,
    )
    state = State.RUNNING if kind is OperationType.SNAPSHOT else State.OPERATING
    status = changed(status, state=state, operation=operation)
    job = view.seen.flink.job
    asks = ask_savepoint(view, status) if job is not None and job.all_tasks_run else ()
    events = (Event("Normal", BEGUN[kind], message),) if operation.attempt == 1 else ()
    return Plan(status, asks, events, AT_ONCE)


def ask_savepoint(view: View, status: StreamJobStatus) -> tuple[Action, ...]:
    """Ask Flink for the savepoint that was announced; harmless when it was asked before."""
    operation = status.operation
    assert operation is not None  # noqa: S101 - a savepoint was announced
    kind = TakeSavepoint if operation.type is OperationType.SNAPSHOT else StopWithSavepoint
    return (
        kind(
            run=status.run or 0,
            flink_job_id=flink_job_id(view),
            trigger_id=operation.trigger_id or "",
            target_dir=operation.target_dir or "",
            format=view.seen.spec.pause.format,
        ),
    )


def begin_ending(
    view: View,
    status: StreamJobStatus,
    then: State,
    message: str,
    *events: Event,
) -> Plan:
    """The current run ends: its pods go, then comes `then` (Running: another run)."""
    status = close_run(status, view.now)
    status = changed(status, state=State.OPERATING)
    status = in_operation(
        status,
        phase=Phase.ENDING,
        then=then,
        message=message,
        trigger_id=None,
        target_dir=None,
        flink_job_id=None,
        inspection=None,
    )
    return Plan(status, (RemovePods(),), events, AT_ONCE)


def with_operation(view: View, status: StreamJobStatus, kind: OperationType) -> StreamJobStatus:
    """The status with an operation to end the run under, keeping the one that is under way."""
    if status.operation is not None and status.operation.phase is not None:
        return status
    operation = Operation(type=kind, phase=Phase.ENDING, attempt=1, started_at=view.now)
    return changed(status, operation=operation)


def begin_inspection(view: View, cause: Problem) -> Plan:
    """The job was lost, and no JobManager can tell its newest state: the pods go, then a pod looks
    for it.
    """
    status = close_run(with_operation(view, view.status, OperationType.RECOVER), view.now)
    status = in_operation(
        changed(status, state=State.OPERATING),
        phase=Phase.INSPECTING,
        trigger_id=None,
        message=f"{cause.message}: looking for the newest state in the job's storage",
        inspection=InspectionStatus(
            number=1,
            due_at=view.now,
            cause=cause.message,
            remedy=cause.remedy,
            heals=cause.heals,
        ),
    )
    assert status.operation is not None  # noqa: S101 - set above
    event = _warning_event("Inspecting", status.operation.message, cause.remedy)
    if status.operation.target_dir is None:
        # Where a snapshot was asked for, nothing has failed as long as it may be there.
        status = advise(view, status, reason_of_loss(status.operation), cause)
    return Plan(status, (RemovePods(),), (event,), AT_ONCE)


def reason_of_loss(operation: Operation) -> str:
    """The warning's reason where the job was lost in the middle of an operation, or of none."""
    starts = operation.flink_job_id is not None
    told = starts or operation.type is OperationType.PAUSE
    return f"{operation.type}Failed" if told else "JobFailed"


def begin_stop(view: View, message: str) -> Plan:
    """Stop overtakes whatever is under way."""
    before = view.operation
    operation = Operation(
        type=OperationType.STOP,
        phase=Phase.ENDING,
        attempt=1,
        started_at=view.now,
        message=message,
        then=State.STOPPED,
    )
    status = changed(
        view.status, state=State.OPERATING, operation=operation, retry=None, ended=None
    )
    if view.status.warning is not None and view.status.warning.reason != "InvalidSpec":
        status = changed(status, warning=None)
    overtaken = f" (overtakes {before.type})" if before is not None else ""
    return Plan(status, (), (Event("Normal", "Stopping", message + overtaken),), timedelta(0))


def fail_running(
    view: View,
    status: StreamJobStatus,
    kind: OperationType,
    problem: Problem,
    reason: str = "",
) -> Plan:
    """The operation failed and the job runs on."""
    status = note_failure(view, status, kind, problem, reason)
    status = changed(status, state=state_of_open_run(view), operation=None)
    event = _warning_event(reason or f"{kind}Failed", problem.message, problem.remedy)
    return Plan(status, (), (event,), SOON)


def failure_event(status: StreamJobStatus) -> Event:
    """The warning as an event: cause and remedy in the text."""
    warning = status.warning
    assert warning is not None  # noqa: S101 - callers have just set it
    return _warning_event(warning.reason, warning.message, warning.remedy)


def _warning_event(reason: str, message: str, remedy: str | None) -> Event:
    return Event("Warning", reason, f"{message} — {remedy}" if remedy else message)


def snapshot_taken(view: View, path: str) -> Snapshot:
    """The snapshot that the operation under way has got from Flink."""
    operation = view.operation
    assert operation is not None  # noqa: S101
    name = (operation.target_dir or path).rstrip("/").rsplit("/", 1)[-1]
    record = view.seen.record
    return Snapshot(
        id=name,
        path=path,
        origin=operation.origin or SnapshotOrigin.MANUAL,
        taken_at=_taken_at(view, path, operation),
        flink_version=record.spec.flink_version if record else None,
    )


def _taken_at(view: View, path: str, operation: Operation) -> datetime:
    """Flink's word; else a time that is surely not later, so no newer checkpoint is passed over."""
    known = view.seen.flink.checkpoints
    told = known.savepoint if known is not None else None
    return told.taken_at if told is not None and told.path == path else operation.started_at
