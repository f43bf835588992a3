"""What every report carries, whatever was decided: facts of the run, and the six conditions."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from typing import Final

from streamjob_operator.api import constants
from streamjob_operator.api.conditions import Condition, ConditionType, merge_conditions
from streamjob_operator.api.run import jobmanager_name
from streamjob_operator.api.spec import Wish
from streamjob_operator.api.status import FlinkStatus, OperationType, Phase, State, StreamJobStatus
from streamjob_operator.decide.problems import Problem, of_silence
from streamjob_operator.decide.view import ADVICE, View, changed, flink_job_id, warn

_BYTES_PER_GIB: Final = 1024**3

_NOT_GIVEN_UP: Final = frozenset({Phase.INSPECTING, Phase.ENDING, Phase.STARTING})


def summarise(view: View, status: StreamJobStatus) -> StreamJobStatus:
    """The status as it is recorded: the decision's, with the facts and the conditions."""
    status = _with_facts(view, status)
    status = _with_gravest_warning(view, status)
    status = changed(status, observed_generation=view.seen.generation)
    conditions = _conditions(view, status)
    return changed(status, conditions=merge_conditions(status.conditions, conditions))


def _with_gravest_warning(view: View, status: StreamJobStatus) -> StreamJobStatus:
    """InvalidSpec takes the place of whatever the rules have told; a failed operation's warning
    comes back with the mended spec.
    """
    told, retry = status.warning, status.retry
    is_invalid = told is not None and told.reason == "InvalidSpec"
    if _spec_problem(view):
        if retry is not None and told is not None and not is_invalid:
            status = changed(status, retry=retry.model_copy(update={"warning": told}))
        status = changed(status, warning=view.status.warning)
        return warn(view, status, "InvalidSpec", Problem(_spec_problem(view)))
    if is_invalid:
        status = changed(status, warning=retry.warning if retry is not None else None)
    if retry is not None and retry.warning is not None:
        status = changed(status, retry=retry.model_copy(update={"warning": None}))
    return status


def _spec_problem(view: View) -> str:
    """Why the spec can't be carried out; of no interest to anybody once it is being deleted."""
    return "" if view.seen.deleting else view.seen.spec_problem


def _with_facts(view: View, status: StreamJobStatus) -> StreamJobStatus:
    seen = view.seen
    sql = seen.spec.sql is not None
    script = seen.record.spec.script if seen.record is not None else None
    runs = any(pod.running for pod in seen.jobmanagers)
    return changed(
        status,
        type="SQL" if sql else "JAR",
        region=seen.region if runs else status.region,
        zone=seen.zone if runs else status.zone,
        running_cu=_running_cu(view),
        script_hash=hashlib.sha256(script.encode()).hexdigest()[:16]
        if script
        else status.script_hash,
        flink=_flink(view, status),
    )


def _running_cu(view: View) -> str:
    """What the pods that run hold: the greater of CPUs and memory in CU, summed over the pods."""
    total = Decimal(0)
    per_cu = view.settings.gib_per_cu * _BYTES_PER_GIB
    for pod in view.seen.pods:
        if pod.running:
            total += max(pod.cpu, Decimal(pod.memory_bytes) / per_cu)
    rounded = total.quantize(Decimal("0.01")).normalize()
    return format(rounded, "f") if rounded else "0"


def _flink(view: View, status: StreamJobStatus) -> FlinkStatus | None:
    """Flink's view of the current run; the last word stays when the run has been closed."""
    flink, record = view.seen.flink, view.seen.record
    if status.stop_time is not None or not flink.reachable or record is None:
        return status.flink
    if record.run != status.run:
        return status.flink
    old = status.flink or FlinkStatus()
    host = jobmanager_name(view.seen.job.name, record.run)
    return FlinkStatus(
        job_id=flink_job_id(view),
        job_state=flink.job.state if flink.job is not None else old.job_state,
        restarts=max(len(flink.restarts), old.restarts or 0),
        version=flink.version or old.version,
        ui_url=f"http://{host}.{view.seen.job.namespace}:{constants.REST_PORT}",
    )


def _conditions(view: View, status: StreamJobStatus) -> tuple[Condition, ...]:
    def condition(kind: ConditionType, *, holds: bool, reason: str, message: str = "") -> Condition:
        return Condition(
            type=kind,
            status="True" if holds else "False",
            reason=reason,
            message=message,
            observed_generation=view.seen.generation,
            last_transition_time=view.now,
        )

    ready, reason, message = _ready(view, status)
    stalled = _stalled(view, status, ready=ready)
    failed = status.warning is not None and status.warning.reason not in ADVICE
    warning = f"{status.warning.reason}: {status.warning.message}" if status.warning else ""
    operating = status.operation is not None and status.operation.type is not OperationType.SNAPSHOT
    reconciling = not ready and not stalled
    runs = status.state is State.RUNNING
    snapshot = status.snapshot
    return (
        condition(ConditionType.READY, holds=ready, reason=reason, message=message),
        condition(
            ConditionType.RECONCILING,
            holds=reconciling,
            reason=status.operation.type if operating and status.operation else reason,
            message=message if reconciling else "",
        ),
        condition(
            ConditionType.STALLED,
            holds=stalled,
            reason=status.warning.reason if stalled and status.warning else "NotStalled",
            message=warning if stalled else "",
        ),
        condition(
            ConditionType.RUNNING,
            holds=runs,
            reason=_running_reason(status),
            message=status.flink.job_state or "" if runs and status.flink else "",
        ),
        condition(
            ConditionType.LAST_OPERATION_SUCCEEDED,
            holds=not failed,
            reason=status.warning.reason if failed and status.warning else "Succeeded",
            message=warning if failed else "",
        ),
        condition(
            ConditionType.SNAPSHOT_AVAILABLE,
            holds=snapshot is not None,
            reason=str(snapshot.origin) if snapshot is not None else "NoSnapshot",
            message=snapshot.path if snapshot is not None else "",
        ),
    )


def _running_reason(status: StreamJobStatus) -> str:
    if status.state is State.STOPPED and status.ended:
        failed = status.warning is not None
        return status.warning.reason if failed and status.warning else "JobFinished"
    return str(status.state or State.OPERATING)


def _ready(view: View, status: StreamJobStatus) -> tuple[bool, str, str]:
    """Whether the wish is fulfilled, and why not."""
    if _spec_problem(view):
        return False, "InvalidSpec", _spec_problem(view)
    if status.operation is not None and status.operation.type is not OperationType.SNAPSHOT:
        return False, str(status.operation.type), status.operation.message
    warning = status.warning
    if status.retry is not None and status.retry.operation is not OperationType.SNAPSHOT:
        text = warning.message if warning is not None else ""
        return False, warning.reason if warning is not None else "Failed", text
    state = status.state
    if state is State.STOPPED and status.ended:
        return True, "JobFinished", "the job came to its end by itself"
    if state is State.STOPPED and view.wish is Wish.PAUSED:
        return True, "NothingToPause", "nothing ran and there is no snapshot"
    if state is not None and state.value == view.wish.value:
        return True, str(state), ""
    text = warning.message if warning is not None else ""
    if state is State.UNKNOWN and not text:
        # Without what Flink's client says: its words change from look to look.
        text = of_silence(view.seen.jobmanagers).message
    return False, str(state or State.OPERATING), text


def _stalled(view: View, status: StreamJobStatus, *, ready: bool) -> bool:
    """Given up until somebody changes something."""
    if status.operation is not None and status.operation.phase in _NOT_GIVEN_UP:
        return False
    if _spec_problem(view):
        return True
    if not ready and status.warning is not None and status.warning.reason == "RecordLost":
        return True
    retry = status.retry
    if retry is None or retry.operation is OperationType.SNAPSHOT:
        return False
    return retry.next_attempt_at is None
