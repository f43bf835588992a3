"""A job in the middle of each operation: what a changed wish may meet."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from streamjob_operator.errors import Unavailable
from tests.fakes.flink_job import FakeJob
from tests.fakes.kubelet import Fate
from tests.unit.reconcile.driver import Stage, paused, running

Moment = Callable[[], Awaitable[Stage]]


async def starting() -> Stage:
    stage = Stage()
    stage.flink.on_start[1] = FakeJob.deploy
    stage.apply()
    await stage.until(lambda it: it.flink.alive)
    return stage


async def announced() -> Stage:
    stage = Stage()
    stage.apply()
    stage.calls.fail("kube", "apply", Unavailable("no answer"), times=99)
    await stage.until(lambda it: it.status.run == 1)
    stage.calls.heal()
    return stage


async def image_missing() -> Stage:
    stage = Stage()
    stage.kubelet.fates["jobmanager"] = Fate(waiting="ImagePullBackOff", message="not found")
    stage.apply()
    await stage.looks(20)
    return stage


async def waiting_for_a_retry() -> Stage:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail("Connection refused")
    stage.apply()
    await stage.until(lambda it: it.status.state == "Stopped" and it.status.retry)
    return stage


async def snapshotting() -> Stage:
    stage = await running()
    stage.job.savepoints_wait = True
    stage.wish("Paused")
    await stage.looks(2)
    return stage


async def ending() -> Stage:
    stage = await running()
    stage.kubelet.node_answers = False
    stage.wish("Paused")
    await stage.until(lambda it: it.status.operation and it.status.operation.phase == "Ending")
    stage.kubelet.node_answers = True
    return stage


async def resuming() -> Stage:
    stage = await paused()
    stage.flink.on_start[2] = FakeJob.deploy
    stage.wish("Running")
    await stage.until(lambda it: it.status.run == 2 and it.flink.alive)
    return stage


async def upgrading() -> Stage:
    stage = await running()
    stage.flink.on_start[2] = FakeJob.deploy
    stage.edit(parallelism=2)
    await stage.until(lambda it: it.status.run == 2 and it.flink.alive)
    return stage


async def restarting() -> Stage:
    stage = await running()
    stage.job.restart("source lost")
    await stage.looks(3)
    return stage


async def unknown() -> Stage:
    stage = await running()
    stage.flink.unreachable = True
    await stage.looks(6)
    return stage


MOMENTS: Final[tuple[Moment, ...]] = (
    announced,
    starting,
    image_missing,
    waiting_for_a_retry,
    snapshotting,
    ending,
    resuming,
    upgrading,
    restarting,
    unknown,
)


def name_of(moment: Moment) -> str:
    """For the ids of tests."""
    return moment.__name__
