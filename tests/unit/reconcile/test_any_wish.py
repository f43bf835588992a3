"""Each wish, at each moment of an operation: it comes true, and nothing is lost on the way."""

from __future__ import annotations

from typing import Any

import pytest

from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import NAMESPACE, Stage
from tests.unit.reconcile.moments import MOMENTS, Moment, name_of
from tests.unit.reconcile.operations import check_fine

pytestmark = pytest.mark.unit

CHANGES: list[dict[str, Any]] = [
    {"desiredState": "Running"},
    {"desiredState": "Paused"},
    {"desiredState": "Stopped"},
    {"desiredState": "Running", "parallelism": 3},
    {"desiredState": "Paused", "parallelism": 3},
    {"desiredState": "Running", "restartNonce": "1"},
]


def _heal(stage: Stage) -> None:
    """What held the operation up holds it no longer."""
    stage.kubelet.fates.clear()
    stage.flink.unreachable = False
    stage.flink.on_start.clear()
    stage.flink.program = stage.run_at_once
    for job in stage.flink.alive:
        if job.submitted and not job.is_over:
            job.complete_savepoints()
        if job.submitted and not job.is_over:
            stage.run_at_once(job)


@pytest.mark.failure(
    what="Any wish changes in the middle of any operation",
    shown="ten moments, six wishes: what was wished, Ready, no warning",
    kept="what any run has saved, unless the wish was Stopped; pods of two runs never meet",
)
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: "-".join(map(str, change.values())))
@pytest.mark.parametrize("moment", MOMENTS, ids=name_of)
async def test_any_wish_at_any_moment_of_an_operation_comes_true(
    moment: Moment, change: dict[str, Any]
) -> None:
    stage = await moment()
    stage.edit(**change)
    await stage.looks(3)
    _heal(stage)

    await stage.settle()

    wish = change["desiredState"]
    nothing_to_pause = stage.condition("Ready") == ("True", "NothingToPause")
    expected = "Stopped" if wish == "Paused" and nothing_to_pause else wish
    assert stage.status.state == expected, stage.told()
    check_fine(stage)
    assert stage.status.observed_restart_nonce == change.get("restartNonce")
    assert stage.kubelet.violations == []
    saved = [path for job in stage.flink.jobs_by_address.values() for path in job.saved]
    if wish == "Paused":
        assert nothing_to_pause == (not saved), "what was saved is never given up for a pause"
    if wish == "Running" and "parallelism" in change:
        assert len(stage.kube.select(kinds.POD, NAMESPACE)) == 1 + 3
    if wish == "Running" and stage.job.restored_path is None:
        assert saved == stage.job.saved, "a fresh run only where no earlier run has saved anything"
