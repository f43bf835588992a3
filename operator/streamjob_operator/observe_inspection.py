"""From an inspector's pod as Kubernetes has it to what it found in the job's storage."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streamjob_operator.api import constants
from streamjob_operator.decide.observed import FoundState, Inspection
from streamjob_operator.flink.text import one_line

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNCLEAR: Final = "the inspector pod ended without saying what lies in the storage"


def inspection_seen(pod: dict[str, Any]) -> Inspection | None:
    """What the inspector has found; None while it has not ended."""
    status = pod.get("status") or {}
    phase = status.get("phase")
    if phase not in {"Succeeded", "Failed"}:
        return None
    run = int(pod["metadata"]["labels"][constants.LABEL_RUN])
    ended = _end_of_main_container(status)
    if phase == "Failed":
        return Inspection(run, problem=_problem(status, ended))
    try:
        return _found(run, json.loads(ended.get("message") or ""))
    except (ArithmeticError, KeyError, TypeError, ValueError):
        return Inspection(run, problem=_UNCLEAR)


def _found(run: int, answer: dict[str, Any]) -> Inspection:
    """The program's answer. Raises one of several errors if it isn't one."""
    newest = answer["newest"]
    state = None
    if newest is not None:
        state = FoundState(
            path=_path(newest["path"]),
            checkpoint_id=int(newest["id"]),
            taken_at=_EPOCH + timedelta(milliseconds=newest["at"]),
            is_savepoint=newest["savepoint"] is True,
        )
    return Inspection(
        run,
        newest=state,
        missing=_directories(answer["missing"]),
        unreadable=_directories(answer["unreadable"]),
    )


def _directories(value: Any) -> tuple[str, ...]:
    """For messages. Raises TypeError for what is no list."""
    if not isinstance(value, list):
        raise TypeError
    return tuple(one_line(str(each)) for each in value)


def _path(value: Any) -> str:
    """A path to restore from: used as it stands, or not at all. Raises ValueError for others."""
    if not isinstance(value, str) or not value or not value.isprintable():
        raise ValueError
    return value


def _problem(status: dict[str, Any], ended: dict[str, Any]) -> str:
    """Why the pod failed, for a user."""
    if status.get("reason") == "DeadlineExceeded":
        return "the inspector pod did not end within its time"
    told = str(ended.get("message") or "")
    try:
        told = str(json.loads(told)["problem"])
    except (KeyError, TypeError, ValueError):
        told = told or str(status.get("message") or ended.get("reason") or status.get("reason"))
    return one_line(f"the job's storage could not be looked into: {told}")


def _end_of_main_container(status: dict[str, Any]) -> dict[str, Any]:
    for container in status.get("containerStatuses") or []:
        if container["name"] == constants.MAIN_CONTAINER:
            return (container.get("state") or {}).get("terminated") or {}
    return {}
