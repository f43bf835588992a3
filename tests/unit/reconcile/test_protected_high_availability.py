"""Flink's HA ConfigMaps: where they are deleted, Flink starts the job empty, so they can't be."""

from __future__ import annotations

import pytest

from streamjob_operator.errors import Unavailable
from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import NAMESPACE, Stage, running

pytestmark = pytest.mark.unit

FINALIZER = "streamjob.dev/high-availability"


def high_availability(stage: Stage) -> list[str]:
    found = stage.kube.select(kinds.CONFIG_MAP, NAMESPACE, "type=flink-native-kubernetes")
    return [body["metadata"]["name"] for body in found]


def protected(stage: Stage) -> list[bool]:
    found = stage.kube.select(kinds.CONFIG_MAP, NAMESPACE, "type=flink-native-kubernetes")
    return [FINALIZER in body["metadata"].get("finalizers", []) for body in found]


@pytest.mark.failure(
    what="HA ConfigMaps deleted by hand",
    shown="Running without a warning: they stay until the run ends",
    kept="the same run; Flink never starts the job empty",
)
async def test_they_outlive_a_deletion_by_hand_and_go_with_their_run() -> None:
    stage = await running()
    kept = high_availability(stage)
    for name in kept:
        stage.kube.remove(kinds.CONFIG_MAP, NAMESPACE, name)
    await stage.settle()
    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)
    assert high_availability(stage) == kept
    stage.wish("Paused")

    await stage.settle()

    assert stage.status.state == "Paused"
    assert high_availability(stage) == []


async def test_they_are_protected_before_the_job_counts_as_running_for_long() -> None:
    stage = await running()
    assert protected(stage) == [True, True]


async def test_a_protection_that_failed_is_made_up_for() -> None:
    stage = Stage()
    stage.flink.program = stage.run_at_once
    stage.calls.fail("kube", "merge", Unavailable("no answer"), times=1)
    stage.apply()

    await stage.settle()

    assert protected(stage) == [True, True]


async def test_a_run_that_an_older_operator_started_is_protected_too() -> None:
    stage = await running()
    for name in high_availability(stage):
        stage.kube.release(kinds.CONFIG_MAP, NAMESPACE, name)
    stage.restart_operator()

    await stage.settle()

    assert protected(stage) == [True, True]
    assert stage.status.run == 1
