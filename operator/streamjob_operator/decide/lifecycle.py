"""Decide what a StreamJob needs next.

Pure: what was observed, the operator's settings and the time in, a plan out. `decide` reads as the
contract's order: Stop overtakes everything; an operation under way goes on; then comes what the job
itself does, then what the user wants of it.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from streamjob_operator.api.run import job_id_of
from streamjob_operator.api.spec import Wish
from streamjob_operator.api.status import OperationType, Phase, RetryStatus, State, StreamJobStatus
from streamjob_operator.decide.edited import with_put_back
from streamjob_operator.decide.ending import ending
from streamjob_operator.decide.finished import awaits_cause
from streamjob_operator.decide.inspecting import inspecting
from streamjob_operator.decide.observed import Observed
from streamjob_operator.decide.plan import Event, Plan
from streamjob_operator.decide.resting import resting
from streamjob_operator.decide.running import running
from streamjob_operator.decide.snapshotting import last_snapshot, snapshotting
from streamjob_operator.decide.starting import starting
from streamjob_operator.decide.summary import summarise
from streamjob_operator.decide.transitions import begin_stop, failure_event
from streamjob_operator.decide.view import SOON, View, changed
from streamjob_operator.settings import Settings


def decide(seen: Observed, settings: Settings, now: datetime) -> Plan:
    """The next step for one job, and all that is to be reported of it now."""
    view = View(_prepared(seen), settings, now)
    plan = with_put_back(view, _next_step(view))
    status = summarise(view, plan.status)
    events = (*plan.events, *_told(seen.status, status, plan.events))
    return Plan(status, plan.actions, events, plan.look_again)


def _told(
    before: StreamJobStatus, after: StreamJobStatus, events: tuple[Event, ...]
) -> tuple[Event, ...]:
    """A warning that appears is an event too, where the rule has not made one of it already."""
    new, old = after.warning, before.warning
    if new is None or (old is not None and old.reason == new.reason):
        return ()
    if any(event.reason == new.reason for event in events):
        return ()
    return (failure_event(after),)


def _next_step(view: View) -> Plan:
    operation = view.operation
    if view.wish is Wish.STOPPED and _is_to_be_stopped(view):
        text = "the resource is being deleted" if view.seen.deleting else "desiredState is Stopped"
        return last_snapshot(view) or begin_stop(view, text)
    if view.seen.run_is_open and awaits_cause(view):
        return Plan(changed(view.status, state=State.OPERATING), look_again=SOON)
    match operation.phase if operation is not None else None:
        case Phase.SNAPSHOTTING:
            return snapshotting(view)
        case Phase.INSPECTING:
            return inspecting(view)
        case Phase.ENDING:
            return ending(view)
        case Phase.STARTING:
            return starting(view)
        case None:
            return running(view) if view.seen.run_is_open else resting(view)


def _is_to_be_stopped(view: View) -> bool:
    operation, status = view.operation, view.status
    if operation is not None and operation.type is OperationType.STOP:
        return False
    if operation is not None and operation.phase is not None:
        return True
    settled = status.state is State.STOPPED and status.snapshot is None and not status.ended
    if status.state is None and not view.seen.runs and not view.seen.pods:
        return False
    return view.seen.run_is_open or not settled


def _prepared(seen: Observed) -> Observed:
    """First visit: the nonces at birth are the baseline. A new generation: counts start anew."""
    status = seen.status
    if status.job_id is None:
        status = StreamJobStatus(
            job_id=job_id_of(seen.job.uid),
            observed_restart_nonce=seen.spec.restart_nonce,
            observed_snapshot_nonce=seen.spec.snapshot_nonce,
            conditions=status.conditions,
        )
    if status.retry is not None and _is_of_an_older_wish(seen, status.retry):
        status = changed(status, retry=None, warning=None)
    return replace(seen, status=status)


def _is_of_an_older_wish(seen: Observed, retry: RetryStatus) -> bool:
    """What failed was wished before the last edit; while it is still ending it has to stay told."""
    status = seen.status
    # Flink's own recovering is nobody's wish, and may go on for ever.
    under_way = status.operation is not None and status.operation.phase is not None
    if under_way or status.ended:
        return False
    paused_no_more = (
        retry.operation is OperationType.PAUSE
        and seen.wish is Wish.RUNNING
        and status.state is State.RUNNING
    )
    return paused_no_more or retry.generation != seen.generation
