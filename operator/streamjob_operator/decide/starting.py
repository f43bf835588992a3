"""A run is being started: has it come up, has it failed, or does it need more time?

Serves Run, Resume, Restart, Recover and the second half of an Upgrade alike.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from streamjob_operator.api.run import RunRecord, RunSpec
from streamjob_operator.api.spec import Wish
from streamjob_operator.api.status import OperationType, State
from streamjob_operator.decide import problems
from streamjob_operator.decide.finished import (
    CAUSE_LAGS,
    ended_unseen,
    job_cancelled,
    job_finished,
)
from streamjob_operator.decide.plan import (
    Action,
    Event,
    Plan,
    ProtectHighAvailability,
    StartRun,
)
from streamjob_operator.decide.problems import Problem
from streamjob_operator.decide.transitions import (
    DONE,
    begin_ending,
    begin_inspection,
    failure_event,
)
from streamjob_operator.decide.view import (
    AT_ONCE,
    QUIET,
    SOON,
    View,
    changed,
    has_checkpoint_of_its_own,
    in_operation,
    keep_snapshot,
    may_have_checkpoints,
    newest_state,
    note_failure,
    record_of_next_run,
    warn,
    without_failure,
)

RESTARTS_THAT_FAIL_A_START: Final = 3
"""A start has failed at the job's third restart (contract, section 3)."""
CONTAINER_RESTARTS_THAT_FAIL_A_START: Final = 2


def starting(view: View) -> Plan:
    """The next step of a start."""
    job = view.seen.flink.job
    if job is not None and job.state == "CANCELED" and view.seen.flink.application != "FAILED":
        return job_cancelled(view)
    problem = _failure(view)
    if problem is not None:
        return start_failed(view, problem)
    if job is not None and job.state == "FINISHED":
        return job_finished(view)
    if _is_established(view):
        return _started(view)
    abandoned = _abandoned(view)
    if abandoned is not None:
        return abandoned
    return _put_objects(view) or _wait(view)


def _put_objects(view: View) -> Plan | None:
    """Objects of the run are missing: make them, from the run's record as soon as there is one."""
    run = view.seen.run
    if run is not None and run.complete:
        return None
    known = run.record if run is not None else None
    record = known if known is not None else _record_to_make(view)
    if isinstance(record, Problem):
        return start_failed(view, record)
    status = changed(view.status, started_from=record.started_from)
    actions: tuple[Action, ...] = (StartRun(record),)
    return Plan(status, actions, look_again=AT_ONCE)


def _record_to_make(view: View) -> RunRecord | Problem:
    """The record of the run that was announced but not made before the operator was cut off."""
    run = view.status.run or 1
    return record_of_next_run(view, view.status, spec_to_start(view, run - 1), run)


def spec_to_start(view: View, last_run: int) -> RunSpec | None:
    """The spec as declared; when it can't be carried out or has just failed, the one that ran."""
    operation = view.operation
    recovers = operation is not None and operation.type is OperationType.RECOVER
    kept: int | None = None
    if operation is not None and rolls_back(view):
        kept = operation.previous_run
    elif view.seen.run_spec is None or (recovers and upgrade_given_up(view)):
        kept = last_run
    old = view.seen.runs.get(kept or 0)
    return old.record.spec if old is not None and old.record is not None else view.seen.run_spec


def upgrade_given_up(view: View) -> bool:
    """An Upgrade has failed for good, so the declared spec is not the one to run."""
    retry = view.status.retry
    return (
        retry is not None
        and retry.operation is OperationType.UPGRADE
        and retry.next_attempt_at is None
    )


def rolls_back(view: View) -> bool:
    """The Upgrade has failed, and the previous spec is being started again."""
    operation, retry = view.operation, view.status.retry
    return (
        operation is not None
        and operation.type is OperationType.UPGRADE
        and operation.previous_run is not None
        and retry is not None
        and retry.operation is OperationType.UPGRADE
        # Otherwise the failure was that of a snapshot, and the Upgrade is being tried again.
        and retry.next_attempt_at is None
    )


def _failure(view: View) -> Problem | None:
    """Why the start has failed, if it has."""
    seen = view.seen
    if seen.trouble:
        return Problem(seen.trouble, "mend what was refused, then set a new spec.restartNonce")
    if seen.run is not None and seen.run.record_problem:
        return Problem(seen.run.record_problem, "set a new spec.restartNonce to start anew")
    return _failure_in_flink(view) or _container_failure(view) or _overdue(view)


def _failure_in_flink(view: View) -> Problem | None:
    """The program or the job has failed, as Flink tells it."""
    flink, job = view.seen.flink, view.seen.flink.job
    if flink.application == "FAILED" and (job is None or job.is_over) and flink.failure:
        return problems.of_failure(flink.failure)
    if flink.application == "FAILED" and job is None and _is_nameless_for_long(view):
        return ended_unseen("the job has ended")
    if job is not None and job.state in {"FAILED", "CANCELED"}:
        if flink.failure is not None:
            return problems.of_failure(flink.failure)
        return Problem(f"Flink says that the job is {job.state} and gives no cause")
    if flink.application == "FINISHED" and job is None:
        return Problem(
            "the program came to its end and started no job",
            "a script needs an INSERT, a main class has to call execute()",
            heals=False,
        )
    if len(flink.restarts) >= RESTARTS_THAT_FAIL_A_START:
        return problems.of_failure(flink.restarts[0])
    return None


def _is_nameless_for_long(view: View) -> bool:
    """Flink had the time to name the job, or the cause of its end."""
    since = view.seen.flink.nameless_since
    return since is not None and view.now - since > CAUSE_LAGS


def _container_failure(view: View) -> Problem | None:
    for pod in view.seen.jobmanagers:
        problem = problems.of_container(pod)
        if problem is not None and (
            not problem.heals or pod.restarts >= CONTAINER_RESTARTS_THAT_FAIL_A_START
        ):
            return problem
        waiting = problems.of_waiting(pod)
        if waiting is not None and not waiting.heals:
            return waiting
    return None


def _overdue(view: View) -> Problem | None:
    operation = view.operation
    timeout = view.seen.spec.start.timeout
    if operation is None or view.now - operation.started_at <= timeout:
        return None
    ended = (problems.of_container(pod) for pod in view.seen.jobmanagers)
    known = next((problem for problem in ended if problem is not None), None) or _pending(view)
    seconds = int(timeout.total_seconds())
    if known is not None:
        return Problem(
            f"the job did not run within start.timeout ({seconds} s): {known.message}",
            known.remedy,
        )
    return Problem(
        f"the job did not run within start.timeout ({seconds} s): {_progress(view)}",
        "raise spec.start.timeout; or set a new spec.restartNonce and follow "
        f"kubectl logs -f -l streamjob.dev/job={view.seen.job.name} while it starts",
    )


def _pending(view: View) -> Problem | None:
    return problems.of_all_waiting(view.seen.pods)


def _is_established(view: View) -> bool:
    """All tasks run, and since then a checkpoint has completed or 10 quiet seconds have passed."""
    job, checkpoints = view.seen.flink.job, view.seen.flink.checkpoints
    if job is None or not job.all_tasks_run:
        return False
    if job.quiet_for >= QUIET:
        return True
    newest = checkpoints.newest if checkpoints is not None else None
    return newest is not None and newest.taken_at.timestamp() * 1000 > job.last_modification


def _started(view: View) -> Plan:
    operation = view.operation
    assert operation is not None  # noqa: S101 - a start is under way
    kind = operation.type
    status = changed(view.status, state=State.RUNNING, operation=None)
    actions = (ProtectHighAvailability(status.run or 0),)
    if rolls_back(view):
        text = f"run {status.run} goes on with the previous spec from {status.started_from}"
        return Plan(status, actions, (Event("Normal", "RolledBack", text),), AT_ONCE)
    if kind is not OperationType.RECOVER or not upgrade_given_up(view):
        status = without_failure(status)
    if kind is not OperationType.RECOVER:
        status = changed(status, recoveries=None)
    text = f"run {status.run} is running, started from {status.started_from}"
    return Plan(status, actions, (Event("Normal", DONE[kind], text),), AT_ONCE)


def _abandoned(view: View) -> Plan | None:
    """The wish changed before the job had come up, and nothing of this run is worth keeping."""
    job = view.seen.flink.job
    if may_have_checkpoints(view) or (job is not None and job.all_tasks_run):
        return None
    if view.wish is Wish.PAUSED:
        status = view.status
        if status.retry is not None and status.retry.operation is OperationType.PAUSE:
            status = without_failure(status)
        then = State.PAUSED if status.snapshot else State.STOPPED
        return begin_ending(view, status, then, "start cancelled: desiredState is Paused now")
    if view.edited and not upgrade_given_up(view) and view.seen.run_spec is not None:
        return begin_ending(
            view, view.status, State.RUNNING, "starting anew: the spec was edited meanwhile"
        )
    return None


def start_failed(view: View, problem: Problem) -> Plan:
    """The start failed: what becomes of the job depends on what it is started from."""
    operation = view.operation
    assert operation is not None  # noqa: S101 - a start is under way
    kind = operation.type
    status = view.status
    if _may_have_saved_unseen(view):
        if view.seen.record is not None:
            return begin_inspection(view, problem)
        problem = replace(problem, heals=False)
    if has_checkpoint_of_its_own(view):
        newest = newest_state(view)
        if newest is not None:
            status = keep_snapshot(status, newest)
        reason = "RunFailed" if kind is OperationType.RUN else ""
        status = note_failure(view, status, kind, problem, reason)
        return begin_ending(view, status, State.PAUSED, problem.message, failure_event(status))
    return start_failed_without_state(view, problem)


def _may_have_saved_unseen(view: View) -> bool:
    """Nobody can say whether the run has completed a checkpoint of its own."""
    flink = view.seen.flink
    if not flink.reachable:
        return may_have_checkpoints(view)
    # A JobManager that took over after the job's end knows its result alone, and no cause of it.
    over = flink.application == "FAILED" or (flink.job is not None and flink.job.is_over)
    return over and flink.failure is None and flink.checkpoints is None


def start_failed_without_state(view: View, problem: Problem) -> Plan:
    """No checkpoint of its own: what it was started from is still the newest state."""
    operation, status = view.operation, view.status
    assert operation is not None  # noqa: S101 - a start is under way
    kind = operation.type
    if operation.kept_snapshot is not None:
        status = changed(status, snapshot=operation.kept_snapshot, observed_restore=None)
    elif kind is OperationType.RUN:
        status = changed(status, snapshot=None)
    if kind is OperationType.UPGRADE:
        return _upgrade_failed(view, problem)
    if kind is OperationType.RECOVER:
        return _recovery_failed(view, problem)
    status = note_failure(view, status, kind, problem)
    then = State.STOPPED
    if kind is not OperationType.RUN and status.snapshot is not None:
        then = State.PAUSED
    return begin_ending(view, status, then, problem.message, failure_event(status))


def _upgrade_failed(view: View, problem: Problem) -> Plan:
    """Back to the previous spec, from the snapshot that the Upgrade took; if that fails too,
    Paused.
    """
    if rolls_back(view):
        text = f"{problem.message} (the previous spec could not be started again either)"
        status = warn(view, view.status, "UpgradeFailed", Problem(text, problem.remedy))
        then = State.PAUSED if status.snapshot else State.STOPPED
        return begin_ending(view, status, then, text, failure_event(status))
    hopeless = Problem(problem.message, problem.remedy, heals=False)
    status = note_failure(view, view.status, OperationType.UPGRADE, hopeless)
    operation = status.operation
    old = view.seen.runs.get(operation.previous_run or 0) if operation is not None else None
    if old is None or old.record is None:
        then = State.PAUSED if status.snapshot else State.STOPPED
        return begin_ending(view, status, then, problem.message, failure_event(status))
    text = "the new spec can't start: going back to the previous one"
    return begin_ending(view, status, State.RUNNING, text, failure_event(status))


def _recovery_failed(view: View, problem: Problem) -> Plan:
    """Again while attempts last; then Stopped, with the newest state kept."""
    attempts = view.status.recoveries or 1
    if attempts < view.seen.spec.recovery.max_attempts:
        status = warn(view, view.status, "RecoverFailed", problem)
        status = changed(status, recoveries=attempts + 1)
        status = in_operation(status, attempt=attempts + 1)
        return begin_ending(view, status, State.RUNNING, problem.message, failure_event(status))
    hopeless = Problem(problem.message, problem.remedy, heals=False)
    status = note_failure(view, view.status, OperationType.RECOVER, hopeless, "JobFailed")
    return begin_ending(view, status, State.STOPPED, problem.message, failure_event(status))


def _wait(view: View) -> Plan:
    """Nothing to do but to say how far it is; pods that stay pending are named in a warning."""
    status = in_operation(view.status, message=_progress(view))
    operation = view.operation
    pending = problems.of_pending(view.seen.pods, view.now)
    if (
        pending is not None
        and operation is not None
        and view.now - operation.started_at > problems.PENDING_BEFORE_WARNING
        and (status.warning is None or status.warning.reason == "PodsPending")
    ):
        status = warn(view, status, "PodsPending", pending)
    elif pending is None and status.warning and status.warning.reason == "PodsPending":
        status = changed(status, warning=None)
    return Plan(status, look_again=SOON)


def _progress(view: View) -> str:
    job = view.seen.flink.job
    if job is not None and job.all_tasks_run:
        return "all tasks run; waiting for a first checkpoint or 10 quiet seconds"
    if job is not None:
        return f"Flink says {job.state}: {job.tasks_running} of {job.tasks_total} tasks run"
    if view.seen.flink.reachable:
        return "the JobManager answers; the job is being submitted"
    if any(pod.running for pod in view.seen.jobmanagers):
        return "the JobManager is coming up"
    return "the JobManager's pod is not running yet"
