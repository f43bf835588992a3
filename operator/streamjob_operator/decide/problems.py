"""What went wrong, in words for the user: the cause, what to do, and whether time can heal it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from streamjob_operator.api import constants
from streamjob_operator.decide.observed import PodSeen
from streamjob_operator.flink.causes import failure_of_log
from streamjob_operator.flink.models import Failure
from streamjob_operator.flink.remedies import remedy_for

BACKOFF: Final = timedelta(seconds=10)
"""Before the second attempt; doubled for each further one."""
LONGEST_BACKOFF: Final = timedelta(minutes=5)
PENDING_BEFORE_WARNING: Final = timedelta(seconds=30)
"""Pods that are not up by then are named in a warning (contract, section 3)."""
POD_OVERDUE: Final = timedelta(seconds=60)
"""A pod that is still there so long after it should be gone lies on a node that does not answer."""


_FIELD: Final = {constants.JOBMANAGER: "jobManager", constants.TASKMANAGER: "taskManager"}


@dataclass(frozen=True)
class Problem:
    """A cause fit for a warning."""

    message: str
    remedy: str | None = None
    heals: bool = True
    """Time may heal it: trying again makes sense."""


def backoff_after(attempts: int) -> timedelta:
    """How long to wait after so many failed attempts."""
    doubled: int = 2 ** max(attempts - 1, 0)
    return min(BACKOFF * doubled, LONGEST_BACKOFF)


def of_failure(failure: Failure) -> Problem:
    """The problem behind a root cause of Flink's."""
    remedy = remedy_for(failure)
    return Problem(failure.message, remedy.text, heals=remedy.heals_by_time)


def of_container(pod: PodSeen) -> Problem | None:
    """Why the pod's main container ended, where it did not end well."""
    end = pod.last_end
    if end is None or end.exit_code == 0:
        return None
    if end.reason == "OOMKilled":
        return Problem(
            f"the {pod.component} used more memory than its pod may hold and was OOMKilled",
            f"raise spec.resources.{_FIELD.get(pod.component, 'jobManager')}.cu",
        )
    failure = failure_of_log(end.message)
    if failure is None:
        return Problem(
            f"the {pod.component} ended with exit code {end.exit_code}",
            f"see its last words: kubectl logs {pod.name} --previous",
        )
    return of_failure(failure)


_IMAGE_REASONS: Final = frozenset(
    {"ErrImagePull", "ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull"}
)
_HOPELESS_REASONS: Final = frozenset({"InvalidImageName", "ErrImageNeverPull"})


def of_waiting(pod: PodSeen) -> Problem | None:
    """Why a pod does not come up, as far as Kubernetes says."""
    return _of_stuck(pod) or _of_slow(pod)


def of_all_waiting(pods: Iterable[PodSeen]) -> Problem | None:
    """Of several pods: one of which Kubernetes gives the cause, else one that just is not up."""
    waiting = tuple(pods)
    found = (told(pod) for told in (_of_stuck, _of_slow) for pod in waiting)
    return next((problem for problem in found if problem is not None), None)


def _of_stuck(pod: PodSeen) -> Problem | None:
    if pod.unschedulable:
        return Problem(
            f"pod {pod.name} finds no node: {pod.unschedulable}",
            "make room on the nodes, or ask for less in spec.resources or spec.parallelism",
        )
    if pod.waiting_reason in _IMAGE_REASONS:
        return Problem(
            f"pod {pod.name} can't get its image ({pod.waiting_reason}): {pod.waiting_message}",
            "check spec.image or spec.flinkVersion, and imagePullSecrets in spec.podTemplate",
            heals=pod.waiting_reason not in _HOPELESS_REASONS,
        )
    if pod.waiting_reason in {"CreateContainerConfigError", "CreateContainerError"}:
        return Problem(
            f"pod {pod.name} can't be made ({pod.waiting_reason}): {pod.waiting_message}",
            "check the Secrets, ConfigMaps and volumes that spec.podTemplate names",
        )
    return None


def _of_slow(pod: PodSeen) -> Problem | None:
    coming = pod.waiting_reason in {"", "ContainerCreating", "PodInitializing"}
    if not pod.running and pod.last_end is None and coming:
        return Problem(
            f"pod {pod.name} is not running yet",
            "kubectl describe pod shows its events: volumes and images are the usual reasons",
        )
    return None


def of_pending(pods: Iterable[PodSeen], now: datetime) -> Problem | None:
    """A pod that stays pending: each one gets its time, also one that takes another's place."""
    return of_all_waiting(pod for pod in pods if now - pod.created_at > PENDING_BEFORE_WARNING)


def of_silence(jobmanagers: Iterable[PodSeen], why: str = "") -> Problem:
    """Why a JobManager can't be asked: its pod's trouble, else `why`."""
    pods = tuple(jobmanagers)
    for told in (of_waiting, of_container):
        found = next((problem for pod in pods if (problem := told(pod)) is not None), None)
        if found is not None:
            return found
    return Problem(f"the JobManager can't be asked: {why}" if why else "the JobManager is silent")


def of_lost_node(pods: Iterable[PodSeen], now: datetime) -> Problem | None:
    """A pod that was told to end and has not: its node does not answer."""
    for pod in pods:
        if pod.deleting_since is not None and now - pod.deleting_since > POD_OVERDUE:
            return Problem(
                f"pod {pod.name} was told to end at {pod.deleting_since:%H:%M:%S} UTC and is "
                f"still there: its node {pod.node} may be lost",
                "bring the node back, or delete the Node object or the pod by force "
                "once you know that nothing runs there any more",
            )
    return None
