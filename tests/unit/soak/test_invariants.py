"""What a soak calls broken, and what it does not."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cluster.invariants import LIE_SECONDS, Invariants, JobLook, LeaderSeen

pytestmark = pytest.mark.unit

LONG = 10 * LIE_SECONDS
SNAPSHOT = {"id": "svp-1", "path": "file:/data/svp-1"}


ENDED: dict[str, Any] = {"containerStatuses": [{"state": {"terminated": {}}}]}


def pod(
    run: int, component: str = "jobmanager", *, deleted: bool = False, **status: Any
) -> dict[str, Any]:
    labels = {"streamjob.dev/run": str(run), "app.kubernetes.io/component": component}
    metadata: dict[str, Any] = {"name": f"{component}-{run}", "labels": labels}
    if deleted:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {"metadata": metadata, "status": status}


def look(
    state: str = "Running",
    *pods: dict[str, Any],
    wish: str = "Running",
    conditions: dict[str, str] | None = None,
    steady: bool = True,
    flink_runs: bool | None = True,
    snapshot_exists: bool | None = None,
    **status: Any,
) -> JobLook:
    told = [
        {"type": kind, "status": value, "observedGeneration": 1}
        for kind, value in (conditions or {}).items()
    ]
    body = {
        "metadata": {"name": "job", "generation": 1},
        "spec": {"desiredState": wish},
        "status": {"state": state, "conditions": told, **status},
    }
    return JobLook(body, pods, steady, flink_runs, snapshot_exists)


def judged(*looks: JobLook, led_for: float = LONG, apart: float = LIE_SECONDS + 1) -> list[str]:
    """What the looks, so many seconds apart, break together."""
    invariants = Invariants()
    return [
        word for at, it in enumerate(looks) for word in invariants.judge(at * apart, led_for, it)
    ]


BROKEN = {
    "pods-of-two-runs": [look("Operating", pod(1), pod(2))],
    "run-goes-back": [look(run=3), look(run=2)],
    "running-without-flink": [look(flink_runs=False), look(flink_runs=False)],
    "running-unasked": [look(flink_runs=None), look(flink_runs=None)],
    "paused-with-pods": [look("Paused", pod(1), snapshot=SNAPSHOT)],
    "stopped-with-pods": [look("Stopped", pod(1, "taskmanager"))],
    "stopped-with-a-pod-that-ends": [look("Stopped", pod(1, deleted=True))],
    "stopped-with-a-pod-that-restarts": [look("Stopped", pod(1, **ENDED))],
    "paused-without-snapshot": [look("Paused")],
    "snapshot-not-there": [look("Paused", snapshot=SNAPSHOT, snapshot_exists=False)],
    "stopped-with-cu": [look("Stopped", runningCU="0.2")],
    "stalled-without-warning": [look(conditions={"Stalled": "True"})],
    "ready-but-not-there": [look("Operating", conditions={"Ready": "True"})],
    "running-while-pausing": [look(operation={"type": "Pause", "phase": "Snapshotting"})],
}

FINE = {
    "one-run": [look("Running", pod(1), pod(1, "taskmanager"))],
    "next-run": [look(run=2), look(run=2), look(run=3)],
    "flicker": [look(flink_runs=False), look(), look(flink_runs=False), look()],
    "paused": [look("Paused", snapshot=SNAPSHOT, snapshot_exists=True, runningCU="0")],
    "stopped-with-a-pod-that-has-ended": [look("Stopped", pod(1, deleted=True, **ENDED))],
    "stopped-with-an-evicted-pod": [look("Stopped", pod(1, phase="Failed"))],
    "changed-while-looking": [look("Paused", pod(1), snapshot=SNAPSHOT, steady=False)],
    "stalled": [look(conditions={"Stalled": "True"}, warning={"reason": "PauseFailed"})],
    "ready": [look("Stopped", wish="Stopped", conditions={"Ready": "True"})],
    "snapshot-on-demand": [look(operation={"type": "Snapshot", "phase": "Snapshotting"})],
    "flink-recovers": [look("Operating", operation={"type": "Recover"})],
}


@pytest.mark.parametrize("name", BROKEN)
def test_it_is_told_once(name: str) -> None:
    looks = BROKEN[name]
    assert len(judged(*looks, looks[-1])) == 1


@pytest.mark.parametrize("name", FINE)
def test_nothing_is_told(name: str) -> None:
    assert judged(*FINE[name]) == []


def test_a_state_may_be_old_while_no_operator_has_led_for_long() -> None:
    lies = [look(flink_runs=False)] * 3
    assert judged(*lies, led_for=LIE_SECONDS) == []


def test_ready_for_an_older_generation_says_nothing_of_this_wish() -> None:
    old = look("Running", wish="Paused", conditions={"Ready": "True"})
    assert judged(old) != []
    old.body["metadata"]["generation"] = 2
    assert judged(old) == []


def test_a_deletion_is_the_wish_to_be_stopped() -> None:
    ready = look("Stopped", conditions={"Ready": "True"})
    assert judged(ready) != []
    ready.body["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    assert judged(ready) == []


def test_paused_with_nothing_to_pause_is_stopped() -> None:
    ready = look("Stopped", wish="Paused", conditions={"Ready": "True"})
    assert judged(ready) != []
    ready.body["status"]["conditions"][0]["reason"] = "NothingToPause"
    assert judged(ready) == []


def lease(holder: str, renewed: int) -> dict[str, Any]:
    return {"spec": {"holderIdentity": holder, "renewTime": str(renewed)}}


def test_a_leader_has_led_since_it_was_seen_first() -> None:
    seen = LeaderSeen()
    assert seen.surely_for(100, lease("one", 1)) == 0
    assert seen.surely_for(102, lease("one", 2)) == 2
    assert seen.surely_for(104, lease("other", 3)) == 0
    assert seen.surely_for(106, lease("other", 4)) == 2


def test_a_leader_that_does_not_renew_does_not_lead_and_begins_anew() -> None:
    seen = LeaderSeen()
    seen.surely_for(100, lease("one", 1))
    assert seen.surely_for(104, lease("one", 1)) == 4
    assert seen.surely_for(106, lease("one", 1)) == 0
    assert seen.surely_for(108, lease("one", 2)) == 0
    assert seen.surely_for(110, lease("one", 3)) == 2
