"""The job was lost with the JobManager that knew its newest state: a pod looks for it in storage.

An older state would double what the sinks have committed since, and none at all would start the job
empty. So nothing is started before it is known what lies in the storage; where that can't be known,
nothing is started at all, and the user is told where to look.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from streamjob_operator.api.run import RunRecord, inspector_name
from streamjob_operator.api.status import (
    InspectionStatus,
    Operation,
    OperationType,
    Snapshot,
    SnapshotOrigin,
    State,
)
from streamjob_operator.decide.ending import remove_pods
from streamjob_operator.decide.finished import recover
from streamjob_operator.decide.observed import FoundState, Inspection, InspectorSeen
from streamjob_operator.decide.plan import Inspect, Plan
from streamjob_operator.decide.problems import Problem, backoff_after, of_waiting
from streamjob_operator.decide.starting import start_failed_without_state
from streamjob_operator.decide.transitions import begin_ending, failure_event, reason_of_loss
from streamjob_operator.decide.view import (
    SOON,
    View,
    advise,
    changed,
    checkpoint_snapshot,
    in_operation,
    keep_snapshot,
    note_failure,
)

LOOKS: Final = 8
"""So many inspectors may fail, over a quarter of an hour: storage that went away may come back."""
LOOKS_AFTER_A_START: Final = 2
"""A start that failed for its storage is told soon."""
_UNTIL_NEWS: Final = timedelta(seconds=5)
"""What becomes of the pod is heard of by its watch; this is the net."""
INSPECTOR_OVERDUE: Final = timedelta(minutes=5)
"""A pod that has not ended by then has found no node or no image."""


def inspecting(view: View) -> Plan:
    """The next step of the search."""
    operation, record = view.operation, view.seen.record
    assert operation is not None  # noqa: S101 - a search is under way
    if not view.nothing_left:
        return remove_pods(view)
    look = operation.inspection
    if record is None or look is None:
        return _unknown(view, operation, "the record of its run (a ConfigMap) is gone")
    if view.seen.trouble:
        return _failed_look(view, operation, look, view.seen.trouble)
    inspector = _inspector(view, look.number)
    if inspector is None:
        return _look(view, operation, look, record)
    if inspector.inspection is None:
        return _wait(view, operation, look, inspector)
    if inspector.inspection.problem:
        return _failed_look(view, operation, look, inspector.inspection.problem)
    return _found(view, operation, inspector.inspection)


def _inspector(view: View, number: int) -> InspectorSeen | None:
    name = inspector_name(view.seen.job.name, view.status.run or 0, number)
    return next((each for each in view.seen.inspectors if each.pod.name == name), None)


def _look(view: View, operation: Operation, look: InspectionStatus, record: RunRecord) -> Plan:
    """Make the pod as soon as it is due."""
    if view.now < look.due_at:
        return Plan(view.status, look_again=min(look.due_at - view.now, _UNTIL_NEWS))
    if view.now - look.due_at > INSPECTOR_OVERDUE:
        return _failed_look(view, operation, look, "the inspector pod does not appear")
    places = (operation.target_dir,) if operation.target_dir is not None else ()
    return Plan(view.status, (Inspect(record, look.number, places),), look_again=_UNTIL_NEWS)


def _wait(
    view: View, operation: Operation, look: InspectionStatus, inspector: InspectorSeen
) -> Plan:
    waiting = of_waiting(inspector.pod)
    if view.now - look.due_at > INSPECTOR_OVERDUE:
        why = waiting.message if waiting is not None else "it does not come to its end"
        return _failed_look(view, operation, look, f"the inspector pod is overdue: {why}")
    return Plan(view.status, look_again=_UNTIL_NEWS)


def _failed_look(view: View, operation: Operation, look: InspectionStatus, why: str) -> Plan:
    """Again, later, while looks last: what made it fail may heal."""
    most = LOOKS_AFTER_A_START if _is_start(operation) else LOOKS
    if look.number >= most:
        return _unknown(view, operation, why)
    wait = backoff_after(look.number)
    later = look.model_copy(update={"number": look.number + 1, "due_at": view.now + wait})
    text = f"{look.cause}; {why}; looking again in {wait.seconds} s ({later.number} of {most})"
    status = in_operation(view.status, inspection=later, message=text)
    status = advise(view, status, reason_of_loss(operation), Problem(text, look.remedy))
    return Plan(status, look_again=SOON)


def _found(view: View, operation: Operation, found: Inspection) -> Plan:
    """It is known now what lies in the storage."""
    if found.unreadable:
        damaged = ", ".join(found.unreadable)
        return _unknown(view, operation, f"what may be its newest state can't be read: {damaged}")
    if found.newest is not None:
        return _go_on(view, operation, found.newest)
    if _is_start(operation):
        return start_failed_without_state(view, _cause(operation))
    gone = f" ({', '.join(found.missing)} does not exist)" if found.missing else ""
    return _unknown(view, operation, f"no complete state of it lies in the storage{gone}")


def _go_on(view: View, operation: Operation, newest: FoundState) -> Plan:
    """The newest state becomes the snapshot; what follows depends on what was under way."""
    status = keep_snapshot(view.status, _snapshot(view, operation, newest))
    kind, problem = operation.type, _cause(operation)
    if _is_start(operation):
        status = note_failure(view, status, kind, problem)
        return begin_ending(view, status, State.PAUSED, problem.message, failure_event(status))
    if kind is OperationType.PAUSE and not newest.is_savepoint:
        text = f"the job was lost before a snapshot was complete: {problem.message}"
        status = note_failure(view, status, kind, Problem(text, problem.remedy, heals=False))
        return begin_ending(view, status, State.STOPPED, text, failure_event(status))
    if newest.is_savepoint and kind is not OperationType.SNAPSHOT:
        then = State.PAUSED if kind is OperationType.PAUSE else State.RUNNING
        return begin_ending(view, status, then, f"snapshot {newest.path} is complete")
    return recover(view, status, problem)


def _snapshot(view: View, operation: Operation, newest: FoundState) -> Snapshot:
    if not newest.is_savepoint:
        return checkpoint_snapshot(view, newest.path, newest.taken_at)
    record = view.seen.record
    return Snapshot(
        id=(operation.target_dir or newest.path).rstrip("/").rsplit("/", 1)[-1],
        path=newest.path,
        origin=operation.origin or SnapshotOrigin.MANUAL,
        taken_at=newest.taken_at,
        flink_version=record.spec.flink_version if record is not None else None,
    )


def _unknown(view: View, operation: Operation, why: str) -> Plan:
    """Nobody can say which state is the newest: nothing starts by itself."""
    cause = _cause(operation)
    text = f"{cause.message}; nobody knows its newest state: {why}"
    problem = Problem(text, _remedy(view, operation), heals=False)
    kind = operation.type
    if _is_start(operation):
        status = note_failure(view, view.status, kind, problem)
        then = State.PAUSED if status.snapshot else State.STOPPED
        return begin_ending(view, status, then, text, failure_event(status))
    failed = OperationType.PAUSE if kind is OperationType.PAUSE else OperationType.RECOVER
    status = note_failure(view, view.status, failed, problem, reason_of_loss(operation))
    status = changed(status, ended=True)
    return begin_ending(view, status, State.STOPPED, text, failure_event(status))


def _remedy(view: View, operation: Operation) -> str:
    record = view.seen.record
    place = "the job's storage"
    if record is not None:
        place = f"{record.checkpoint_dir}/{record.flink_job_id}"
    if operation.target_dir is not None:
        place = f"{operation.target_dir}, else in {place}"
    return (
        f"look for the newest state in {place}, set spec.restore.snapshot to it and "
        "desiredState to Running; or set Stopped and then Running to start afresh"
    )


def _is_start(operation: Operation) -> bool:
    """The job was lost while it was being started."""
    return operation.flink_job_id is not None


def _cause(operation: Operation) -> Problem:
    look = operation.inspection
    if look is None:
        return Problem(operation.message)
    return Problem(look.cause, look.remedy, heals=look.heals)
