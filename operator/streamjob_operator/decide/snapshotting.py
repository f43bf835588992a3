"""A savepoint was announced: ask for it, wait for it, take what came of it.

Serves Pause, the first half of Upgrade and Restart (which end the job), and Snapshot (which does
not).
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Final

from streamjob_operator.api.spec import OnPauseFailure, Wish
from streamjob_operator.api.status import (
    Operation,
    OperationType,
    Phase,
    SnapshotOrigin,
    State,
    StreamJobStatus,
)
from streamjob_operator.decide import problems
from streamjob_operator.decide.finished import (
    ended_unseen,
    is_nameless,
    job_cancelled,
    job_failed,
    job_finished,
    jobmanager_failure,
)
from streamjob_operator.decide.plan import Event, Plan, RemoveTaskManagers, StartRun
from streamjob_operator.decide.problems import Problem, of_container, of_waiting
from streamjob_operator.decide.transitions import (
    DONE,
    ask_savepoint,
    begin_ending,
    begin_inspection,
    begin_savepoint,
    fail_running,
    failure_event,
    snapshot_taken,
)
from streamjob_operator.decide.view import (
    AT_ONCE,
    SOON,
    View,
    advise,
    changed,
    in_operation,
    keep_snapshot,
    newest_state,
    note_failure,
    state_of_open_run,
    was_established,
    without_failure,
)
from streamjob_operator.flink.models import Failure, SavepointResult

_TOLD_IN_TIME: Final = timedelta(seconds=10)
"""Flink is asked often at first; small snapshots take a fraction of a second."""
_ENDING_STATES: Final = frozenset({"FAILING", "CANCELLING"})
"""Flink's states that lead to the job's end and nowhere else."""
_RESTARTING_BEFORE_CHECKPOINT: Final = timedelta(seconds=30)
"""After this a job that does not run is replaced from its newest checkpoint."""
DELETION_SNAPSHOT_BOUND: Final = timedelta(seconds=60)
"""The last snapshot before a deletion may hold it up this long."""


def snapshotting(view: View) -> Plan:
    """The next step towards a snapshot."""
    plan = _next_step(view)
    return replace(plan, status=_with_true_state(view, plan.status))


def _with_true_state(view: View, status: StreamJobStatus) -> StreamJobStatus:
    """A snapshot on demand is no state: the job is shown as what it does meanwhile."""
    operation = status.operation
    if operation is None or operation.type is not OperationType.SNAPSHOT:
        return status
    return changed(status, state=state_of_open_run(view))


def _next_step(view: View) -> Plan:
    operation = view.operation
    assert operation is not None  # noqa: S101 - a snapshot is under way
    flink = view.seen.flink
    if not flink.reachable:
        return _unreachable(view, operation)
    result = flink.savepoint or SavepointResult(unknown=True)
    known = flink.checkpoints.savepoint if flink.checkpoints is not None else None
    if result.unknown and known and operation.target_dir and operation.target_dir in known.path:
        result = SavepointResult(known.path)
    if view.seen.run is not None and not view.seen.run.taskmanagers and result.path is None:
        return _from_checkpoint(view, operation)
    if result.path is not None:
        return _complete(view, operation, result.path)
    if result.failure is not None:
        return _failed(view, operation, result.failure)
    if flink.job is not None and flink.job.is_over:
        return _job_over(view)
    if result.unknown:
        return _ask(view, operation)
    return _in_progress(view, operation)


def _complete(view: View, operation: Operation, path: str) -> Plan:
    """Flink named the snapshot: it is kept, whatever became of the job since."""
    status = keep_snapshot(view.status, snapshot_taken(view, path))
    kind = operation.type
    if kind is OperationType.SNAPSHOT:
        if status.retry is not None and status.retry.operation is kind:
            status = without_failure(status)
        if status.warning is not None and status.warning.reason == "PauseSlow":
            status = changed(status, warning=None)
        status = changed(status, state=state_of_open_run(view), operation=None)
        return Plan(status, (), (Event("Normal", DONE[kind], path),), AT_ONCE)
    if _is_ending(view, operation, path):
        status = in_operation(view.status, message="the snapshot is complete; the job is ending")
        return Plan(status, look_again=AT_ONCE)
    then = State.PAUSED if kind is OperationType.PAUSE else State.RUNNING
    event = Event("Normal", "SnapshotTaken", path)
    return begin_ending(view, status, then, f"snapshot {path} is complete", event)


def _is_ending(view: View, operation: Operation, path: str) -> bool:
    """The job itself is still coming to its end: its sinks commit what the snapshot holds.

    Not waited for without bound: what is not committed then is committed by the next run.
    """
    job = view.seen.flink.job
    waited = view.now - operation.started_at
    return (
        job is not None
        and not job.is_over
        and view.seen.flink.savepoint == SavepointResult(path)
        and waited <= view.seen.spec.pause.timeout
    )


def _failed(view: View, operation: Operation, failure: Failure) -> Plan:
    """No snapshot came of it."""
    job = view.seen.flink.job
    if job is not None and job.is_over:
        return _job_over(view)
    if job is not None and job.state in _ENDING_STATES:
        return Plan(view.status, look_again=SOON)
    return _give_up(view, operation, problems.of_failure(failure))


def _give_up(view: View, operation: Operation, problem: Problem) -> Plan:
    """Back to what the job really is; or Paused from a checkpoint, where the user allows it."""
    use_checkpoint = view.seen.spec.pause.on_failure is OnPauseFailure.USE_CHECKPOINT
    if operation.type is OperationType.PAUSE and use_checkpoint and newest_state(view):
        return _freeze(view, problem.message)
    return fail_running(view, view.status, operation.type, problem)


def _freeze(view: View, why: str) -> Plan:
    """The newest checkpoint stands in for a snapshot: first nothing may complete a newer one."""
    text = f"no snapshot could be taken ({why}): going on from the newest checkpoint"
    status = in_operation(view.status, message=text)
    event = Event("Warning", "UsingCheckpoint", text)
    return Plan(status, (RemoveTaskManagers(view.status.run or 0),), (event,), AT_ONCE)


def _from_checkpoint(view: View, operation: Operation) -> Plan:
    """The TaskManagers were removed, so what is the newest checkpoint now stays the newest."""
    run = view.status.run or 0
    mine = [pod for pod in view.seen.pods if pod.run == run and not pod.is_jobmanager]
    lost = problems.of_lost_node(mine, view.now)
    if lost is not None:
        return Plan(advise(view, view.status, "NodeLost", lost), look_again=SOON)
    if mine:
        return Plan(view.status, look_again=SOON)
    if view.seen.flink.checkpoints is None:
        return Plan(view.status, look_again=SOON)
    newest = newest_state(view)
    status = keep_snapshot(view.status, newest) if newest is not None else view.status
    pauses = operation.type is OperationType.PAUSE
    return begin_ending(view, status, State.PAUSED if pauses else State.RUNNING, operation.message)


def _job_over(view: View) -> Plan:
    """The job ended before there was a snapshot."""
    operation, job = view.operation, view.seen.flink.job
    assert operation is not None and job is not None  # noqa: S101, PT018 - asked by the caller
    if job.state == "FINISHED":
        known = view.seen.flink.checkpoints
        savepoint = known.savepoint if known is not None else None
        if (
            savepoint is not None
            and operation.target_dir
            and operation.target_dir in savepoint.path
        ):
            return _complete(view, operation, savepoint.path)
        if known is None and operation.target_dir is not None:
            return begin_inspection(view, ended_unseen("the job ended while it was being saved"))
        return job_finished(view)
    if job.state == "CANCELED":
        return job_cancelled(view)
    if operation.type in {OperationType.UPGRADE, OperationType.RESTART, OperationType.SNAPSHOT}:
        return job_failed(view)
    failure = view.seen.flink.failure or Failure("Flink gives no cause")
    problem = problems.of_failure(failure)
    status = view.status
    newest = newest_state(view)
    if newest is not None:
        status = keep_snapshot(status, newest)
    text = f"the job failed before a snapshot was complete: {problem.message}"
    hopeless = Problem(text, problem.remedy, heals=False)
    status = note_failure(view, status, operation.type, hopeless)
    return begin_ending(view, status, State.STOPPED, text, failure_event(status))


def _ask(view: View, operation: Operation) -> Plan:
    """Flink does not know of it yet. It only takes savepoints of a job whose tasks all run."""
    flink = view.seen.flink
    if view.seen.trouble:
        return _give_up(view, operation, Problem(view.seen.trouble))
    if flink.job is not None and flink.job.all_tasks_run:
        status = in_operation(view.status, message="Flink is taking the snapshot")
        return Plan(status, ask_savepoint(view, status), look_again=AT_ONCE)
    if operation.type is OperationType.PAUSE and view.wish is Wish.RUNNING:
        status = changed(view.status, state=state_of_open_run(view), operation=None)
        return Plan(status, look_again=AT_ONCE)
    waited = view.now - operation.started_at
    if is_nameless(view) and was_established(view):
        return begin_inspection(view, ended_unseen("the job has ended"))
    replaces = operation.type in {OperationType.UPGRADE, OperationType.RESTART}
    if replaces and waited > _RESTARTING_BEFORE_CHECKPOINT and flink.checkpoints is not None:
        return _freeze(view, flink.restarts[0].message if flink.restarts else "tasks do not run")
    if waited > view.seen.spec.pause.timeout:
        cause = f": {flink.restarts[0].message}" if flink.restarts else ""
        problem = Problem(
            f"the job did not run long enough within pause.timeout to be saved{cause}",
            "mend what makes the job restart, or set spec.pause.onFailure to UseCheckpoint",
            heals=False,
        )
        return _give_up(view, operation, problem)
    status = in_operation(view.status, message="waiting until all tasks run, to take the snapshot")
    return Plan(status, look_again=SOON)


def _in_progress(view: View, operation: Operation) -> Plan:
    """Flink works on it. Slowness is told; nothing is asked twice."""
    waited = view.now - operation.started_at
    status = in_operation(view.status, message="Flink is taking the snapshot")
    if waited > view.seen.spec.pause.timeout:
        status = _slow(view, status)
    return Plan(status, look_again=AT_ONCE if waited < _TOLD_IN_TIME else SOON)


def last_snapshot(view: View) -> Plan | None:
    """`deletion.snapshot`: one last try before the job is stopped, bounded in time."""
    operation, job = view.operation, view.seen.flink.job
    if not view.seen.deleting or not view.seen.spec.deletion.snapshot:
        return None
    asked = operation is not None and operation.phase is Phase.SNAPSHOTTING
    if operation is not None and asked and operation.origin is SnapshotOrigin.DELETION:
        overdue = view.now - operation.started_at > DELETION_SNAPSHOT_BOUND
        return None if overdue else snapshotting(view)
    tried = any(known.origin is SnapshotOrigin.DELETION for known in view.status.snapshots)
    failed = view.status.retry is not None
    if (
        operation is not None
        or tried
        or failed
        or view.seen.record is None
        or job is None
        or not job.all_tasks_run
    ):
        return None
    text = "one last snapshot before the job is deleted"
    return begin_savepoint(view, view.status, OperationType.SNAPSHOT, SnapshotOrigin.DELETION, text)


def _slow(view: View, status: StreamJobStatus) -> StreamJobStatus:
    seconds = int(view.seen.spec.pause.timeout.total_seconds())
    problem = Problem(
        f"the snapshot takes longer than pause.timeout ({seconds} s); Flink still works on it",
        "wait for it",
    )
    return advise(view, status, "PauseSlow", problem)


def _unreachable(view: View, operation: Operation) -> Plan:
    """Nothing is known of the snapshot, so nothing is done but to ask again."""
    text = f"Flink can't be asked: {view.seen.flink.problem}"
    status = in_operation(view.status, message=text)
    run, record = view.seen.run, view.seen.record
    if record is not None and run is not None and not (run.jobmanager and run.service):
        return Plan(status, (StartRun(record),), look_again=SOON)
    failure = jobmanager_failure(view)
    if failure is not None and record is not None:
        return begin_inspection(view, failure)
    if view.now - operation.started_at > view.seen.spec.pause.timeout:
        found = (of_container(pod) or of_waiting(pod) for pod in view.seen.jobmanagers)
        cause = next((problem for problem in found if problem is not None), Problem(text))
        told = f"what came of the snapshot is not known: {cause.message}"
        problem = Problem(told, cause.remedy)
        status = advise(view, status, "JobManagerUnavailable", problem)
    return Plan(status, look_again=SOON)
