"""A job that ended: by itself, by failing for good, or cancelled from outside."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from streamjob_operator.api.status import (
    Operation,
    OperationType,
    Phase,
    State,
    StreamJobStatus,
)
from streamjob_operator.decide import problems
from streamjob_operator.decide.plan import Event, Plan
from streamjob_operator.decide.problems import Problem
from streamjob_operator.decide.transitions import (
    begin_ending,
    begin_inspection,
    failure_event,
    with_operation,
)
from streamjob_operator.decide.view import (
    QUIET_AFTER_RECOVERY,
    SOON,
    View,
    changed,
    keep_snapshot,
    newest_state,
    note_failure,
    without_failure,
)
from streamjob_operator.flink.models import Failure

CONTAINER_GRACE: Final = timedelta(minutes=2)
"""A JobManager may be away this long before that is called a failure (contract, section 3)."""
CAUSE_LAGS: Final = timedelta(seconds=3)
"""Three times Flink's `web.refresh-interval` as the operator sets it."""
NAMELESS_BEFORE_LOST: Final = timedelta(minutes=2)
"""A JobManager that took over names a job that still runs well before this."""


def is_nameless(view: View) -> bool:
    """The JobManager has answered for long enough without knowing the run's job: it has ended."""
    since = view.seen.flink.nameless_since
    return since is not None and view.now - since > NAMELESS_BEFORE_LOST


def ended_unseen(what: str) -> Problem:
    """The job ended, and the JobManager that knew why was replaced."""
    return Problem(
        what,
        "the cause is in the log of the JobManager that was replaced, if your cluster keeps it",
    )


def awaits_cause(view: View) -> bool:
    """The job has just failed, and Flink, which answers from a cache, does not say why yet."""
    since = view.seen.flink.unexplained_since
    return since is not None and view.now - since < CAUSE_LAGS


def jobmanager_failure(view: View) -> Problem | None:
    """A JobManager whose container ends again and again has failed after a while (contract,
    section 3). One that runs and does not answer has not: nobody knows what it does.
    """
    since = view.seen.flink.unnamed_since
    pods = view.seen.jobmanagers
    if since is None or view.now - since <= CONTAINER_GRACE or any(pod.running for pod in pods):
        return None
    ended = next((pod for pod in pods if pod.last_end is not None), None)
    if ended is None:
        return None
    return problems.of_container(ended) or Problem("the JobManager ends as soon as it has started")


def job_finished(view: View) -> Plan:
    """A bounded job came to its end: nothing is wrong, and nothing starts it again by itself."""
    status = without_failure(view.status)
    status = with_operation(view, status, OperationType.STOP)
    status = changed(status, snapshot=None, ended=True)
    text = f"run {status.run} finished: its sources are exhausted"
    return begin_ending(view, status, State.STOPPED, text, Event("Normal", "JobFinished", text))


def job_cancelled(view: View) -> Plan:
    """Somebody cancelled the job in Flink: that was no wish of this resource."""
    problem = Problem(
        "the job was cancelled in Flink, not through this resource; its checkpoints are gone",
        "to run it afresh, set desiredState to Stopped and then to Running",
        heals=False,
    )
    status = with_operation(view, view.status, OperationType.STOP)
    status = note_failure(view, status, OperationType.RUN, problem, "JobCancelled")
    status = changed(status, ended=True)
    return begin_ending(view, status, State.STOPPED, problem.message, failure_event(status))


def job_failed(view: View) -> Plan:
    """Flink gave the job up: start it again from its newest state while attempts last."""
    failure = view.seen.flink.failure or Failure("Flink gives no cause")
    problem = problems.of_failure(failure)
    status = view.status
    job = view.seen.flink.job
    if view.seen.flink.checkpoints is None:
        if job is not None and job.tasks_total:
            text = f"Flink gave the job up ({problem.message}); asking it for the newest checkpoint"
            watched = Operation(type=OperationType.RECOVER, started_at=view.now, message=text)
            status = changed(status, operation=status.operation or watched, state=State.OPERATING)
            return Plan(status, look_again=SOON)
        return begin_inspection(view, problem)
    newest = newest_state(view)
    if newest is not None:
        status = keep_snapshot(status, newest)
    return recover(view, status, problem)


def recover(view: View, status: StreamJobStatus, problem: Problem) -> Plan:
    """Start the job again from `status.snapshot`, its newest state, while attempts last."""
    started = status.start_time
    quiet = started is not None and view.now - started > QUIET_AFTER_RECOVERY
    attempt = 1 if quiet else (status.recoveries or 0) + 1
    recovery = view.seen.spec.recovery
    may_start = view.seen.run_spec is not None or view.seen.record is not None
    if not recovery.enabled or attempt > recovery.max_attempts or not may_start:
        hopeless = Problem(problem.message, problem.remedy, heals=False)
        status = with_operation(view, status, OperationType.RECOVER)
        status = note_failure(view, status, OperationType.RECOVER, hopeless, "JobFailed")
        return begin_ending(view, status, State.STOPPED, problem.message, failure_event(status))
    operation = Operation(
        type=OperationType.RECOVER,
        phase=Phase.ENDING,
        attempt=attempt,
        started_at=view.now,
    )
    status = changed(status, operation=operation, recoveries=attempt)
    event = Event(
        "Warning",
        "JobFailed",
        f"{problem.message}: recovering (attempt {attempt} of {recovery.max_attempts})",
    )
    return begin_ending(view, status, State.RUNNING, problem.message, event)
