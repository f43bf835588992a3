"""The record of a run, a ConfigMap, is lost or changed by somebody while the job runs."""

from __future__ import annotations

from typing import Any

import pytest

from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage, running

pytestmark = pytest.mark.unit

FINE = {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


@pytest.mark.failure(
    what="The record of a run is deleted or edited by hand",
    shown="deleted: `RecordLost`; it can be stopped",
    kept="the job runs on",
)
async def test_a_record_that_is_gone_is_told_and_the_job_runs_on() -> None:
    stage = await running()
    stage.kube.vanish(kinds.CONFIG_MAP, NAMESPACE, f"{NAME}-run-1")
    stage.memory.children = None

    await stage.settle()

    assert stage.warning == "RecordLost"
    assert stage.job.state == "RUNNING"
    stage.wish("Stopped")
    await stage.settle()
    assert stage.conditions == FINE


async def test_a_record_that_is_put_back_is_no_longer_told_as_lost() -> None:
    stage = await running()
    record = await _record_lost(stage)
    stage.kube.put(record)
    stage.memory.children = None

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", None)
    assert stage.conditions == FINE


@pytest.mark.failure(
    what="The record of a run is deleted or edited by hand",
    shown="edited: `RecordLost`; `LastOperationSucceeded` stays True",
    kept="the same run: no new one is started",
)
async def test_a_record_that_was_changed_is_told_and_replaces_nothing() -> None:
    stage = await running()
    record = await _record_lost(stage)
    record["data"]["run.json"] = record["data"]["run.json"].replace("gibPerCu", "other")
    stage.kube.put(record)
    stage.memory.children = None
    stage.edit(restartNonce="1")

    await stage.looks(60)

    assert (stage.status.run, stage.warning) == (1, "RecordLost")
    assert stage.conditions["LastOperationSucceeded"], "no operation has failed"
    assert stage.job.state == "RUNNING"


async def test_a_deletion_with_a_last_snapshot_ends_although_the_record_is_gone() -> None:
    stage = await running(deletion={"snapshot": True})
    await _record_lost(stage)
    stage.delete()

    for _ in range(200):
        outcome = await stage.look()
        if outcome is not None and outcome.settled:
            break

    assert outcome is not None
    assert outcome.settled


async def _record_lost(stage: Stage) -> dict[str, Any]:
    """The record as it was, to be put back."""
    name = f"{NAME}-run-1"
    record = stage.kube.read(kinds.CONFIG_MAP, NAMESPACE, name)
    assert record is not None
    stage.kube.vanish(kinds.CONFIG_MAP, NAMESPACE, name)
    stage.memory.children = None
    await stage.looks(5)
    assert stage.warning == "RecordLost"
    born_with = ("name", "namespace", "labels", "annotations", "ownerReferences")
    about = {field: record["metadata"][field] for field in born_with}
    return record | {"metadata": about, "data": dict(record["data"])}
