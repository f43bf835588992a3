"""Conditions: the part of status that other tools wait on (kubectl wait, Flux, Argo CD)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from streamjob_operator.api.model import Model, Time


class ConditionType(StrEnum):
    """The six conditions, all written on the first visit."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    RUNNING = "Running"
    LAST_OPERATION_SUCCEEDED = "LastOperationSucceeded"
    SNAPSHOT_AVAILABLE = "SnapshotAvailable"


class Condition(Model):
    """One condition, as metav1.Condition has it."""

    type: str
    status: str
    reason: str
    message: str = ""
    observed_generation: int | None = None
    last_transition_time: Time


def merge_conditions(
    before: Iterable[Condition], now: Iterable[Condition]
) -> tuple[Condition, ...]:
    """The new conditions, each keeping its transition time unless its status flipped.

    Conditions of other writers are kept. See Kubernetes' API conventions, "Typical status
    properties".
    """
    old = {condition.type: condition for condition in before}
    merged = dict(old)
    for condition in now:
        previous = old.get(condition.type)
        if previous is not None and previous.status == condition.status:
            condition = condition.model_copy(  # noqa: PLW2901 - the kept time replaces the new one
                update={"last_transition_time": previous.last_transition_time}
            )
        merged[condition.type] = condition
    return tuple(merged.values())
