"""A Resume whose snapshot is there, but can't be used (contract, section 3)."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamjob_operator.flink.causes import failure_of_trace
from streamjob_operator.flink.models import Failure
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import Stage, paused

pytestmark = pytest.mark.unit

TRACES = Path(__file__).parents[1] / "flink" / "traces"
GIVEN_UP = {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}


def _traced(name: str) -> str:
    """The cause that Flink's own trace names."""
    failure = failure_of_trace((TRACES / f"{name}.txt").read_text())
    assert isinstance(failure, Failure)
    return failure.message


async def _resumed_in_vain(cause: str) -> Stage:
    stage = await paused()

    def refuses(job: FakeJob) -> None:
        job.fail(cause)

    for run in (2, 3, 4):
        stage.flink.on_start[run] = refuses
    stage.wish("Running")
    await stage.settle()
    await stage.looks(600)
    return stage


@pytest.mark.failure(
    what="The snapshot to resume from can't be used",
    shown="damaged, or it does not fit the job: Paused, `ResumeFailed` with Flink's cause and a "
    "remedy, Stalled; not tried again",
    kept="the reference to the snapshot; never an empty start",
)
@pytest.mark.parametrize(
    ("trace", "remedy"),
    [
        ("restore-corrupt", "damaged"),
        ("restore-truncated", "damaged"),
        ("restore-nometa", "spec.restore.snapshot"),
        ("restore-incompatible", "spec.restore.allowNonRestoredState"),
    ],
)
async def test_a_resume_from_a_snapshot_that_cannot_be_used_stays_paused(
    trace: str, remedy: str
) -> None:
    cause = _traced(trace)

    stage = await _resumed_in_vain(cause)

    assert (stage.status.state, stage.warning, stage.status.run) == ("Paused", "ResumeFailed", 2)
    assert stage.conditions == GIVEN_UP
    assert stage.status.warning is not None
    assert cause[:60] in stage.status.warning.message
    assert remedy in (stage.status.warning.remedy or "")
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path == stage.job_of(1).saved[-1]
    assert stage.job_of(2).restored_path == stage.status.snapshot.path
