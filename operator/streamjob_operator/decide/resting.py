"""Nothing runs and no operation is under way: start something, or say why not."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from streamjob_operator.api.spec import Wish
from streamjob_operator.api.status import (
    OperationType,
    Snapshot,
    SnapshotOrigin,
    State,
    StreamJobStatus,
)
from streamjob_operator.decide.plan import Event, Plan, RemovePods
from streamjob_operator.decide.running import (
    may_try,
    snapshot_while_nothing_runs,
    until_retry,
)
from streamjob_operator.decide.transitions import begin_start
from streamjob_operator.decide.view import (
    SOON,
    View,
    changed,
    in_operation,
    leftovers,
    without_failure,
)

_STAY_TOLD: Final = frozenset({OperationType.PAUSE, OperationType.SNAPSHOT})
"""A failed start is forgotten once nobody wants the job to run any more; these are not."""


def resting(view: View) -> Plan:
    """The next step of a job of which nothing is meant to run."""
    if not view.nothing_left:
        status = changed(view.status, state=State.OPERATING)
        return Plan(status, (RemovePods(),), look_again=SOON)
    left = leftovers(view)
    if left is not None:
        return Plan(view.status, (left,), look_again=SOON)
    status = _noted(view)
    if view.wish is Wish.RUNNING:
        return _start(view, status) or _rest(view, status)
    return _rest(view, status)


def _noted(view: View) -> StreamJobStatus:
    """A restart that is asked for while the wish is not to run is taken note of, without effect."""
    status = snapshot_while_nothing_runs(view, view.status)
    if view.wish is not Wish.RUNNING:
        status = changed(status, observed_restart_nonce=view.seen.spec.restart_nonce)
    return status


def _start(view: View, status: StreamJobStatus) -> Plan | None:
    """Run or Resume, unless the last attempt failed and nothing has changed since."""
    if view.seen.run_spec is None:
        return None
    wanted = view.seen.spec.restore.snapshot
    chosen_anew = bool(wanted) and wanted != (status.observed_restore or "")
    asked_anew = view.restart_wished or (chosen_anew and bool(status.ended))
    if not asked_anew and (status.ended or not _due(view)):
        return None
    chosen = _chosen_snapshot(view, status)
    if chosen is None and not view.stateless and _newest_state_is_unknown(status):
        return _refuse_older_state(view, status)
    if asked_anew:
        status = changed(status, retry=None, warning=None)
    status, kind = _origin(view, status, chosen, asked_anew=asked_anew)
    if asked_anew:
        status = changed(status, observed_restart_nonce=view.seen.spec.restart_nonce)
    plan = begin_start(view, status, kind, view.seen.run_spec, "making the Flink cluster")
    if chosen is not None:
        plan = replace(plan, status=_keeping_the_old_snapshot(view, plan.status))
    events = (*_ignored_start_position(view, chosen), *plan.events)
    return Plan(plan.status, plan.actions, events, plan.look_again)


def _origin(
    view: View, status: StreamJobStatus, chosen: Snapshot | None, *, asked_anew: bool
) -> tuple[StreamJobStatus, OperationType]:
    """What the run starts from, as `status.snapshot`; and whether that is a Run or a Resume."""
    if chosen is not None:
        status = changed(status, snapshot=chosen)
    elif (status.ended and view.status.retry is None) or (asked_anew and view.stateless):
        status = changed(status, snapshot=None)
    resumes = status.snapshot and (chosen is None or view.status.state is State.PAUSED)
    return status, OperationType.RESUME if resumes else OperationType.RUN


def _ignored_start_position(view: View, chosen: Snapshot | None) -> tuple[Event, ...]:
    if chosen is None or view.seen.spec.start_from is None or view.status.state is State.PAUSED:
        return ()
    text = "spec.startFrom is not read: the run starts from spec.restore.snapshot"
    return (Event("Normal", "StartFromIgnored", text),)


def _keeping_the_old_snapshot(view: View, status: StreamJobStatus) -> StreamJobStatus:
    """A snapshot that the user has mistyped must not take the place of the one that is there."""
    old = view.status.snapshot
    if status.operation is None:
        return changed(
            status, snapshot=old, observed_restore=None, state=view.status.state or status.state
        )
    return in_operation(status, kept_snapshot=old)


def _newest_state_is_unknown(status: StreamJobStatus) -> bool:
    """The job was lost, and nobody knows the state that it was in."""
    kept = {OperationType.PAUSE, OperationType.RECOVER}
    return bool(status.ended) and status.retry is not None and status.retry.operation in kept


def _refuse_older_state(view: View, status: StreamJobStatus) -> Plan:
    """What is known is older: a start from it would double what the sinks have committed since."""
    text = "nothing is started, because nobody knows the job's newest state"
    remedy = status.warning.remedy if status.warning is not None else None
    status = changed(status, observed_restart_nonce=view.seen.spec.restart_nonce)
    event = Event("Warning", "RestartRefused", f"{text}: {remedy}" if remedy else text)
    return Plan(status, (), (event,))


def _due(view: View) -> bool:
    return all(
        may_try(view, kind)
        for kind in OperationType
        if kind not in {OperationType.SNAPSHOT, OperationType.PAUSE}
    )


def _chosen_snapshot(view: View, status: StreamJobStatus) -> Snapshot | None:
    """`restore.snapshot`: read by a start from Stopped, and by a Resume after the field changed."""
    wanted = view.seen.spec.restore.snapshot
    if not wanted:
        return None
    is_resume = status.snapshot is not None
    if is_resume and wanted == (status.observed_restore or ""):
        return None
    return restore_choice(view, wanted)


def restore_choice(view: View, wanted: str) -> Snapshot:
    """The snapshot that the user names by id or path."""
    for snapshot in view.status.snapshots:
        if wanted in {snapshot.id, snapshot.path}:
            return snapshot
    return Snapshot(id=wanted, path=wanted, origin=SnapshotOrigin.RESTORE, taken_at=view.now)


def _rest(view: View, status: StreamJobStatus) -> Plan:
    """Nothing to do: Paused with a snapshot, else Stopped."""
    wanted = view.seen.spec.restore.snapshot
    if view.wish is Wish.PAUSED and not status.ended:
        if status.retry is not None and status.retry.operation not in _STAY_TOLD:
            status = without_failure(status)
        if status.snapshot is None and not status.run and wanted:
            status = changed(status, snapshot=restore_choice(view, wanted), observed_restore=wanted)
        # A pause that failed with the job stays told as it is until the wish changes.
        lost = status.retry is not None and status.state is State.STOPPED
        state = State.PAUSED if status.snapshot and not lost else State.STOPPED
    else:
        state = status.state if status.state in {State.PAUSED, State.STOPPED} else State.STOPPED
    status = changed(status, state=state, operation=None)
    return Plan(status, look_again=until_retry(view, status))
