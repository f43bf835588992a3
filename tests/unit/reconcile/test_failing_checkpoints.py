"""Checkpoints of a job that runs fail again and again: advice, as soon as it is sure."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.reconcile.driver import running

pytestmark = pytest.mark.unit


@pytest.mark.failure(
    what="Checkpoints fail again and again",
    shown="Running and Ready, `CheckpointsFailing`, until one completes",
    kept="the job runs on",
)
async def test_checkpoints_that_keep_failing_are_advice() -> None:
    stage = await running()
    stage.job.failed_checkpoints = 3
    await stage.looks(10)
    assert (stage.status.state, stage.warning) == ("Running", "CheckpointsFailing")
    assert stage.condition("Ready") == ("True", "Running")
    mark = len(stage.calls.made)
    await stage.looks(120)
    assert stage.calls.writes(mark) == []

    stage.job.checkpoint()
    await stage.looks(10)

    assert stage.warning is None


async def test_the_advice_is_an_event_too() -> None:
    stage = await running()
    stage.job.failed_checkpoints = 3

    await stage.looks(60)

    assert stage.events.count("CheckpointsFailing") == 1


async def test_checkpoints_that_failed_with_the_tasks_are_not_counted() -> None:
    stage = await running()
    stage.job.restart("the TaskManager was lost")
    stage.clock.advance(timedelta(seconds=1))
    stage.job.failed_checkpoints = 3
    stage.job.failed_before = stage.job.now()
    stage.clock.advance(timedelta(seconds=1))
    stage.job.run()

    await stage.looks(10)

    assert (stage.status.state, stage.warning) == ("Running", None)
