"""Objects of an open run were edited by hand: put them back as they were applied.

Never a fight: what somebody changes again and again is told, and put back less and less often.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from streamjob_operator.api.status import Phase
from streamjob_operator.decide.observed import PutBackTried
from streamjob_operator.decide.plan import Event, Plan, PutBack
from streamjob_operator.decide.problems import Problem
from streamjob_operator.decide.transitions import failure_event
from streamjob_operator.decide.view import AT_ONCE, View, changed, warn
from streamjob_operator.kube.ownership import Edit

AT_ONCE_TIMES: Final = 3
"""So often a field is put back as soon as its edit is seen."""
FIRST_WAIT: Final = timedelta(seconds=30)
"""From then on; doubled each time."""
LONGEST_WAIT: Final = timedelta(minutes=10)
FORGOTTEN_AFTER: Final = timedelta(minutes=15)
"""So long after it was last put back, a field that was left alone since counts as new."""

_REASON: Final = "PutBackFailed"
_PHASES: Final = {None, Phase.STARTING, Phase.SNAPSHOTTING}
"""While a run ends, its objects are on their way out."""


def with_put_back(view: View, plan: Plan) -> Plan:
    """The plan, and with it what was edited is put back, or the warning why that does not help."""
    operation = plan.status.operation
    phase = operation.phase if operation is not None else None
    run, still_open = view.seen.run, plan.status.run is not None and plan.status.stop_time is None
    if run is None or not still_open or phase not in _PHASES:
        return plan
    plan = _with_warning(view, plan)
    if plan.actions or not run.edits:
        return plan
    due = tuple(edit for edit in run.edits if _wait(view, edit) <= timedelta(0))
    if not due:
        soonest = min(_wait(view, edit) for edit in run.edits)
        return replace(plan, look_again=min(plan.look_again, soonest))
    contested = _contested(view)
    told = (edit for edit in due if contested.isdisjoint(_keys(edit)))
    events = (Event("Warning", "PutBack", _text(edit)) for edit in told)
    action = PutBack(run.number, due)
    return replace(plan, actions=(action,), events=(*plan.events, *events), look_again=AT_ONCE)


def remembered(
    tries: Mapping[str, PutBackTried], action: PutBack, now: datetime
) -> dict[str, PutBackTried]:
    """What was put back before, and this now."""
    known = still_known(tries, now)
    for edit in action.edits:
        for key, field in zip(_keys(edit), edit.fields, strict=True):
            before = known.get(key, PutBackTried(0, now))
            known[key] = replace(
                before,
                times=before.times + 1,
                last=now,
                manager=field.manager or before.manager,
                refused="",
            )
    return known


def refused(
    tries: Mapping[str, PutBackTried], action: PutBack, why: str
) -> dict[str, PutBackTried]:
    """What was just put back was not taken by the API server."""
    keys = {key for edit in action.edits for key in _keys(edit)}
    return {
        key: replace(tried, refused=why, refusals=tried.refusals + 1) if key in keys else tried
        for key, tried in tries.items()
    }


def still_known(tries: Mapping[str, PutBackTried], now: datetime) -> dict[str, PutBackTried]:
    """Without what was put back long ago and left alone since."""
    return {key: tried for key, tried in tries.items() if now - tried.last < FORGOTTEN_AFTER}


def _with_warning(view: View, plan: Plan) -> Plan:
    """The warning stays while the fields are remembered: it must not come and go with each try."""
    contested = sorted(_contested(view))
    status, old = plan.status, view.status.warning
    others = status.warning is not None and status.warning.reason != _REASON
    if not contested or status.retry is not None or others:
        return plan
    problem = _problem(contested[0], view.seen.put_backs[contested[0]])
    status = warn(view, changed(status, warning=old), _REASON, problem)
    known = old is not None and old.reason == _REASON
    events = plan.events if known else (*plan.events, failure_event(status))
    return replace(plan, status=status, events=events)


def _contested(view: View) -> set[str]:
    """Fields that were put back in vain: edited again, or the API server refuses to."""
    edits = view.seen.run.edits if view.seen.run is not None else ()
    edited = {key for edit in edits for key in _keys(edit)}
    return {
        key
        for key, tried in view.seen.put_backs.items()
        if tried.done > AT_ONCE_TIMES
        or (key in edited and (tried.refused or tried.done == AT_ONCE_TIMES))
    }


def _problem(what: str, tried: PutBackTried) -> Problem:
    if tried.refused:
        return Problem(f"{what} was edited and can't be put back: {tried.refused}")
    # Kubernetes names nobody for what went through the subresource `scale`.
    who = tried.manager or "somebody, an autoscaler perhaps,"
    return Problem(
        f"{what} was put back {AT_ONCE_TIMES} times, and {who} changes it again",
        "change the StreamJob instead, and keep others away from the objects of its runs",
    )


def _wait(view: View, edit: Edit) -> timedelta:
    """Until the object may be put back; a field that was not put back before waits for nothing."""
    tries = [view.seen.put_backs.get(key) for key in _keys(edit)]
    return min(_until_due(tried, view.now) for tried in tries)


def _until_due(tried: PutBackTried | None, now: datetime) -> timedelta:
    if tried is None or (tried.times < AT_ONCE_TIMES and not tried.refused):
        return timedelta(0)
    doubled: int = 2 ** max(tried.times - AT_ONCE_TIMES, 0)
    return tried.last + min(FIRST_WAIT * doubled, LONGEST_WAIT) - now


def _keys(edit: Edit) -> list[str]:
    """One for each edited field, as it is named in messages."""
    return [f"{edit.kind} {edit.name}: {field.path}" for field in edit.fields]


def _text(edit: Edit) -> str:
    """The edit in an event: the object, its fields, and who edited them."""
    managers = sorted({field.manager for field in edit.fields if field.manager})
    by = f" by {', '.join(managers)}" if managers else ""
    return f"{edit}: edited{by}; putting back what the run was started with"
