"""A run is being ended: its pods go, what it left in the cluster goes, then comes what was to
follow.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from streamjob_operator.api.status import Operation, OperationType, State
from streamjob_operator.decide.plan import (
    CancelJob,
    Event,
    Plan,
    RemovePods,
)
from streamjob_operator.decide.problems import backoff_after, of_lost_node
from streamjob_operator.decide.starting import rolls_back, spec_to_start
from streamjob_operator.decide.transitions import DONE, begin_start
from streamjob_operator.decide.view import (
    AT_ONCE,
    SOON,
    View,
    advise,
    changed,
    close_run,
    flink_job_id,
    in_operation,
    leftovers,
    was_established,
    without_failure,
)

CANCEL_BOUND: Final = timedelta(seconds=30)
"""Flink's own cancelling is waited for this long (contract, section 2)."""


def ending(view: View) -> Plan:
    """The next step of an ending."""
    operation = view.operation
    assert operation is not None  # noqa: S101 - an ending is under way
    if not view.nothing_left:
        return _cancel(view, operation) or remove_pods(view)
    left = leftovers(view, keep_records=_kept_records(view))
    if left is not None:
        return Plan(close_run(view.status, view.now), (left,), look_again=AT_ONCE)
    if operation.then is State.RUNNING:
        return _start_next(view, operation)
    return _settle(view, operation)


def _cancel(view: View, operation: Operation) -> Plan | None:
    """Stop asks Flink first, so that it removes its own checkpoints; only so long."""
    if operation.type is not OperationType.STOP or not view.seen.run_is_open:
        return None
    if view.now - operation.started_at > CANCEL_BOUND:
        return None
    flink, job = view.seen.flink, view.seen.flink.job
    if not flink.reachable and was_established(view) and _leads(view):
        status = in_operation(view.status, message="waiting for Flink, to have the job cancelled")
        return Plan(status, look_again=SOON)
    if job is None or job.is_over:
        return None
    status = in_operation(view.status, message="Flink is cancelling the job")
    asks = (
        () if job.state == "CANCELLING" else (CancelJob(view.status.run or 0, flink_job_id(view)),)
    )
    return Plan(status, asks, look_again=AT_ONCE)


def _leads(view: View) -> bool:
    return any(pod.running for pod in view.seen.jobmanagers)


def remove_pods(view: View) -> Plan:
    """The pods go; until they are gone the job counts as ending, and no other run starts."""
    status = close_run(view.status, view.now)
    lost = of_lost_node(view.seen.pods, view.now)
    if lost is not None:
        status = in_operation(status, message=lost.message)
        return Plan(advise(view, status, "NodeLost", lost), look_again=SOON)
    status = in_operation(status, message="the run's pods are ending")
    going = all(pod.deleting_since is not None for pod in view.seen.pods)
    holds = any(run.holds_pods for run in view.seen.runs.values())
    return Plan(status, () if going and not holds else (RemovePods(),), look_again=AT_ONCE)


def _kept_records(view: View) -> tuple[int, ...]:
    """Records that may still be needed: of the run that ends, and of the one to go back to."""
    operation = view.operation
    if operation is None or operation.then is not State.RUNNING:
        return ()
    return tuple(run for run in (view.status.run, operation.previous_run) if run)


def _start_next(view: View, operation: Operation) -> Plan:
    """The ending made room for the next run."""
    wait = _backoff_left(view, operation)
    if wait > timedelta(0):
        status = in_operation(
            view.status, message=f"waiting {wait.seconds} s before the next start"
        )
        return Plan(status, look_again=min(wait, timedelta(seconds=5)))
    status = view.status
    if operation.type in {OperationType.UPGRADE, OperationType.RESTART} and view.stateless:
        status = status if rolls_back(view) else changed(status, snapshot=None)
    text = "with the previous spec" if rolls_back(view) else "making the Flink cluster"
    return begin_start(
        view, status, operation.type, spec_to_start(view, view.status.run or 0), text
    )


def _backoff_left(view: View, operation: Operation) -> timedelta:
    attempt = operation.attempt or 1
    stopped = view.status.stop_time
    if operation.type is not OperationType.RECOVER or attempt < 2 or stopped is None:  # noqa: PLR2004
        return timedelta(0)
    return stopped + backoff_after(attempt - 1) - view.now


def _settle(view: View, operation: Operation) -> Plan:
    """Nothing runs any more: the state is what the ending was for."""
    state = operation.then or State.STOPPED
    status = changed(close_run(view.status, view.now), state=state, operation=None)
    if status.flink is not None:
        status = changed(status, flink=status.flink.model_copy(update={"job_state": None}))
    kind = operation.type
    wished = (kind is OperationType.STOP and not status.ended) or (
        kind is OperationType.PAUSE and state is State.PAUSED
    )
    if not wished:
        unharmed = status.retry is None
        return Plan(without_failure(status) if unharmed else status, look_again=AT_ONCE)
    status = without_failure(status)
    if kind is OperationType.STOP:
        status = changed(status, snapshot=None, recoveries=None)
        return Plan(
            status, (), (Event("Normal", DONE[kind], "nothing runs; the state is discarded"),)
        )
    path = status.snapshot.path if status.snapshot else ""
    return Plan(status, (), (Event("Normal", DONE[kind], f"snapshot {path}"),), AT_ONCE)
