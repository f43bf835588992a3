"""What belongs to somebody else is never touched, whatever its name."""

from __future__ import annotations

from typing import Any

import pytest

from streamjob_operator.kube import kinds
from streamjob_operator.kube.kinds import Kind
from tests.unit.reconcile.driver import NAMESPACE, Stage, running

pytestmark = pytest.mark.unit

OF_A_RUN = [
    (kinds.CONFIG_MAP, "orders-run-1"),
    (kinds.SERVICE, "orders-jm-1"),
    (kinds.DEPLOYMENT, "orders-jm-1"),
    (kinds.DEPLOYMENT, "orders-tm-1"),
]
SHARED = [kinds.SERVICE_ACCOUNT, kinds.ROLE, kinds.ROLE_BINDING, kinds.NETWORK_POLICY]


def foreign(stage: Stage, kind: Kind, name: str) -> dict[str, Any]:
    """An object that somebody made by hand."""
    about = {"name": name, "namespace": NAMESPACE, "labels": {"team": "billing"}}
    return stage.kube.put({"apiVersion": kind.api_version, "kind": kind.name, "metadata": about})


@pytest.mark.failure(
    what="A foreign object has the name of a child",
    shown="one of the run's own: `RunFailed` naming it; then Running, by the next run",
    kept="the foreign object, untouched",
)
@pytest.mark.parametrize(("kind", "name"), OF_A_RUN, ids=[f"{k.name} {n}" for k, n in OF_A_RUN])
async def test_a_foreign_object_in_the_way_of_a_run_is_left_alone_and_the_next_run_passes_it(
    kind: Kind, name: str
) -> None:
    stage = Stage()
    stage.flink.program = stage.run_at_once
    theirs = foreign(stage, kind, name)
    stage.apply()

    await stage.until(lambda it: it.warning == "RunFailed")
    warning = stage.status.warning
    assert warning is not None
    assert f"{kind.name} {name}" in warning.message
    assert "left alone" in warning.message

    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.kube.read(kind, NAMESPACE, name) == theirs


@pytest.mark.failure(
    what="A foreign object has the name of a child",
    shown="one that all runs share: Stopped, `RunFailed` naming it, Stalled",
    kept="the foreign object, untouched",
)
@pytest.mark.parametrize("kind", SHARED, ids=[kind.name for kind in SHARED])
async def test_a_foreign_object_that_every_run_needs_stops_the_job_with_its_name(
    kind: Kind,
) -> None:
    once = await running()
    (ours,) = once.kube.select(kind, NAMESPACE)
    name = ours["metadata"]["name"]
    stage = Stage()
    theirs = foreign(stage, kind, name)
    stage.apply()

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.conditions == {"Ready": False, "Stalled": True, "LastOperationSucceeded": False}
    assert stage.status.warning is not None
    assert f"{kind.name} {name}" in stage.status.warning.message
    assert stage.kube.read(kind, NAMESPACE, name) == theirs


@pytest.mark.failure(
    what="A foreign object has the name of a child",
    shown="in place of a deleted one: `PutBackFailed`, told once; Running without a warning when"
    " it is gone",
    kept="the foreign object, untouched; the same run",
)
async def test_a_foreign_object_in_place_of_a_deleted_one_is_told_until_it_is_gone() -> None:
    stage = await running()
    stage.kube.vanish(kinds.SERVICE, NAMESPACE, "orders-jm-1")
    theirs = foreign(stage, kinds.SERVICE, "orders-jm-1")
    stage.memory.children = None

    await stage.until(lambda it: it.warning == "PutBackFailed")
    told = len(stage.events)
    await stage.looks(120)

    assert stage.warning == "PutBackFailed"
    assert stage.condition("LastOperationSucceeded")[0] == "True"
    assert stage.events[told:] == [], "it is told once"
    assert stage.kube.read(kinds.SERVICE, NAMESPACE, "orders-jm-1") == theirs

    stage.kube.vanish(kinds.SERVICE, NAMESPACE, "orders-jm-1")
    await stage.settle()

    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)
