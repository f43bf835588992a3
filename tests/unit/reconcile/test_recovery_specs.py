"""Which spec a run is made from when it takes the place of one that ended."""

from __future__ import annotations

from datetime import timedelta

import pytest

from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage, running

pytestmark = pytest.mark.unit


async def _rolled_back() -> Stage:
    stage = await running()
    stage.flink.on_start[2] = _no_such_class
    stage.edit(parallelism=3)
    await stage.settle()
    assert (stage.status.run, stage.warning) == (3, "UpgradeFailed")
    stage.clock.advance(timedelta(minutes=5))
    stage.job.checkpoint()
    return stage


async def test_a_recovery_after_a_rollback_uses_the_spec_that_ran() -> None:
    stage = await _rolled_back()
    stage.job.fail("sink is gone")

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 4)
    assert _taskmanagers(stage) == 1
    assert stage.job.restored_path == stage.job_of(3).checkpoints[-1].path


async def test_a_recovery_after_a_rollback_still_tells_that_the_upgrade_failed() -> None:
    stage = await _rolled_back()
    stage.job.fail("sink is gone")

    await stage.settle()

    assert stage.warning == "UpgradeFailed"
    assert stage.conditions["Ready"] is False


async def test_a_recovery_that_was_announced_uses_the_spec_that_ran() -> None:
    stage = await running()
    stage.edit(flinkConfiguration={"rest.port": "1"})
    await stage.settle()
    stage.job.fail("sink is gone")
    await stage.until(lambda it: it.status.operation and it.status.operation.phase == "Ending")
    await stage.until(lambda it: it.status.run == 2)
    stage.kube.vanish(kinds.CONFIG_MAP, NAMESPACE, f"{NAME}-run-2")
    stage.restart_operator()

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)


def _no_such_class(job: FakeJob) -> None:
    job.fail_in_program("no such class")


def _taskmanagers(stage: Stage) -> int:
    deployment = stage.kube.read(kinds.DEPLOYMENT, NAMESPACE, f"{NAME}-tm-{stage.status.run}")
    assert deployment is not None
    return int(deployment["spec"]["replicas"])
