"""One answer of Flink's that fails neither cuts a Stop short nor lets the status lie."""

from __future__ import annotations

import pytest

from streamjob_operator.errors import FlinkRejected, FlinkUnreachable
from tests.unit.reconcile.driver import running

pytestmark = pytest.mark.unit


async def test_one_unanswered_look_does_not_keep_a_stop_from_cancelling_first() -> None:
    stage = await running()
    checkpoint = stage.job.checkpoints[-1].path
    stage.wish("Stopped")
    await stage.until(lambda it: it.status.operation and it.status.operation.phase == "Ending")
    stage.calls.fail("flink", "jobs", FlinkUnreachable("no answer in time"))

    await stage.settle()

    assert stage.job_of(1).state == "CANCELED"
    assert checkpoint not in stage.flink.files  # contract 6: Flink removes its own checkpoints


async def test_a_failed_job_whose_checkpoints_cannot_be_read_is_not_shown_as_running() -> None:
    stage = await running()
    stage.job.fail("sink is gone")
    stage.calls.fail("flink", "checkpoints", FlinkRejected("Job not found"), times=1000)

    await stage.looks(60)

    assert stage.status.state == "Operating"
    assert stage.status.operation is not None
    assert stage.status.operation.type == "Recover"
    assert "sink is gone" in stage.status.operation.message
