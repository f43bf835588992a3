"""From a pod as Kubernetes has it to what matters of it here."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from streamjob_operator.api import constants
from streamjob_operator.decide.observed import ContainerEnd, PodSeen
from streamjob_operator.kube.quantities import quantity


def pod_seen(pod: dict[str, Any]) -> PodSeen:
    """One pod, reduced to what decisions need."""
    meta, spec, status = pod["metadata"], pod["spec"], pod.get("status") or {}
    labels = meta.get("labels") or {}
    main = _main_container(status)
    state = main.get("state") or {}
    waiting = state.get("waiting") or _waiting_init_container(status)
    requests = [
        (container.get("resources") or {}).get("requests") or {}
        for container in spec.get("containers") or []
    ]
    return PodSeen(
        name=meta["name"],
        run=run_number(pod),
        component=labels.get(constants.LABEL_COMPONENT, ""),
        created_at=_time(meta["creationTimestamp"]),
        node=spec.get("nodeName"),
        phase=status.get("phase", "Pending"),
        running="running" in state,
        deleting_since=_deleting_since(meta),
        waiting_reason=waiting.get("reason", ""),
        waiting_message=waiting.get("message", ""),
        unschedulable=_unschedulable(status),
        last_end=_last_end(main),
        restarts=main.get("restartCount", 0),
        cpu=sum((quantity(wanted.get("cpu")) for wanted in requests), Decimal(0)),
        memory_bytes=int(sum(quantity(wanted.get("memory")) for wanted in requests)),
    )


def run_number(body: dict[str, Any]) -> int:
    """The run that an object is labelled with; 0 where somebody wrote no number."""
    label = (body["metadata"].get("labels") or {}).get(constants.LABEL_RUN, "")
    return int(label) if label.isdecimal() else 0


def is_live(pod: dict[str, Any]) -> bool:
    """Whether anything of the pod runs or may still come to run.

    An evicted pod lingers as an object, and so does one whose containers have ended when it was
    told to go: neither comes back to life.
    """
    status = pod.get("status") or {}
    containers = status.get("containerStatuses") or []
    ended = bool(containers) and all("terminated" in (c.get("state") or {}) for c in containers)
    if "deletionTimestamp" in pod["metadata"]:
        return not ended
    return status.get("phase") not in {"Failed", "Succeeded"}


def _main_container(status: dict[str, Any]) -> dict[str, Any]:
    for container in status.get("containerStatuses") or []:
        if container["name"] == constants.MAIN_CONTAINER:
            return dict(container)
    return {}


def _waiting_init_container(status: dict[str, Any]) -> dict[str, Any]:
    for container in status.get("initContainerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting")
        if waiting is not None:
            return dict(waiting)
    return {}


def _unschedulable(status: dict[str, Any]) -> str:
    for condition in status.get("conditions") or []:
        if condition["type"] == "PodScheduled" and condition["status"] == "False":
            return str(condition.get("message") or condition.get("reason") or "no node fits")
    return ""


def _last_end(container: dict[str, Any]) -> ContainerEnd | None:
    for state in (container.get("state") or {}, container.get("lastState") or {}):
        ended = state.get("terminated")
        if ended is not None:
            return ContainerEnd(
                ended.get("exitCode", 0), ended.get("reason", ""), ended.get("message", "")
            )
    return None


def _deleting_since(meta: dict[str, Any]) -> datetime | None:
    """When the deletion was asked for: the time stamp that Kubernetes gives is that of its
    deadline.
    """
    if "deletionTimestamp" not in meta:
        return None
    grace = meta.get("deletionGracePeriodSeconds") or 0
    return _time(meta["deletionTimestamp"]) - timedelta(seconds=grace)


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
