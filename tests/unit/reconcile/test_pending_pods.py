"""Pods that stay pending are named in a warning; one that has just been made is not."""

from __future__ import annotations

import pytest

from streamjob_operator.kube import kinds
from tests.fakes.kubelet import Fate
from tests.unit.reconcile.driver import NAMESPACE, Stage, running

pytestmark = pytest.mark.unit

TASKMANAGERS = "app.kubernetes.io/component=taskmanager"


async def restarting_with_a_new_pod() -> Stage:
    """Flink has been restarting the job for long, and its TaskManager's pod was just replaced."""
    stage = await running()
    stage.job.restart("source lost")
    await stage.looks(60)
    stage.kubelet.fates["taskmanager"] = Fate(waiting="ContainerCreating")
    for pod in stage.kube.select(kinds.POD, NAMESPACE, TASKMANAGERS):
        stage.kube.vanish(kinds.POD, NAMESPACE, pod["metadata"]["name"])
    return stage


async def test_a_pod_that_has_just_been_made_is_not_named() -> None:
    stage = await restarting_with_a_new_pod()
    await stage.looks(10)
    assert (stage.status.state, stage.warning) == ("Operating", None)


async def test_a_pod_that_stays_pending_is_named() -> None:
    stage = await restarting_with_a_new_pod()
    await stage.looks(40)
    assert (stage.status.state, stage.warning) == ("Operating", "PodsPending")


async def test_a_pod_whose_cause_is_known_is_named_before_one_that_is_just_slow() -> None:
    stage = Stage()
    stage.kubelet.fates["jobmanager"] = Fate(waiting="ContainerCreating")
    stage.kubelet.fates["taskmanager"] = Fate(waiting="ErrImagePull", message="no such host")
    stage.apply(start={"timeout": "45s"}, retry={"maxAttempts": 1})

    await stage.settle()

    assert stage.status.warning is not None
    assert stage.status.warning.reason == "RunFailed"
    assert "no such host" in stage.status.warning.message
