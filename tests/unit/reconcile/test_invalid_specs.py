"""Specs that can't be carried out, with no webhook that would have refused them."""

from __future__ import annotations

import pytest

from tests.unit.reconcile.driver import JAR, SQL, Stage, running

pytestmark = pytest.mark.unit

INVALID = [
    ({"flinkConfiguration": {"high-availability.type": "none"}}, "high-availability.type"),
    ({"jar": JAR, "sql": {"script": SQL}}, "exactly one of"),
    ({"storage": None}, "spec.storage.uri"),
    ({"flinkVersion": "0.9"}, "spec.flinkVersion"),
    ({"start": {"timeout": "soon"}}, "spec.start.timeout"),
    ({"jar": None, "sql": {"script": "SELECT 1;"}}, "SELECT"),
    (
        {"jar": None, "sql": {"scriptFrom": {"configMapKeyRef": {"name": "none", "key": "a"}}}},
        "ConfigMap none",
    ),
]
NAMES = ["owned-key", "both", "storage", "version", "type", "select", "script-from"]


@pytest.mark.failure(
    what="The spec is invalid",
    shown="Stopped, `InvalidSpec` naming the field, Stalled",
    kept="nothing: no run is started",
)
@pytest.mark.parametrize(("spec", "text"), INVALID, ids=NAMES)
async def test_an_invalid_spec_at_birth_starts_nothing(spec: dict[str, object], text: str) -> None:
    stage = Stage()
    stage.apply(**spec)

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Stopped", "InvalidSpec")
    assert stage.status.warning is not None
    assert text in stage.status.warning.message
    assert stage.condition("Ready") == ("False", "InvalidSpec")
    assert stage.condition("Stalled") == ("True", "InvalidSpec")
    assert stage.condition("LastOperationSucceeded")[0] == "True"
    assert stage.status.run is None


@pytest.mark.failure(
    what="The edit is invalid",
    shown="Running, `InvalidSpec` naming the field, Stalled",
    kept="the job runs on with the last good spec",
)
@pytest.mark.parametrize(("spec", "text"), INVALID, ids=NAMES)
async def test_an_invalid_edit_leaves_the_running_job_alone(
    spec: dict[str, object], text: str
) -> None:
    stage = await running()
    stage.edit(**spec)

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", "InvalidSpec")
    assert stage.status.warning is not None
    assert text in stage.status.warning.message
    assert stage.condition("Ready") == ("False", "InvalidSpec")
    assert stage.condition("Stalled") == ("True", "InvalidSpec")
    assert stage.status.run == 1
    assert stage.job.state == "RUNNING"
    assert stage.triggers == set()


async def test_an_invalid_spec_that_stays_causes_no_write() -> None:
    stage = Stage()
    stage.apply(flinkVersion="0.9")
    await stage.settle()
    mark = len(stage.calls.made)

    await stage.looks(600)

    assert stage.calls.writes(mark) == []


async def test_an_invalid_edit_that_is_mended_is_forgotten() -> None:
    stage = await running()
    stage.edit(flinkVersion="0.9")
    await stage.settle()
    stage.edit(flinkVersion=None)

    await stage.settle()

    assert (stage.status.state, stage.warning, stage.status.run) == ("Running", None, 1)
    assert stage.condition("Ready") == ("True", "Running")


@pytest.mark.parametrize("wish", ["Paused", "Stopped"])
async def test_a_job_with_an_invalid_edit_can_be_paused_and_stopped(wish: str) -> None:
    stage = await running()
    stage.edit(flinkVersion="0.9", desiredState=wish)

    await stage.settle()

    assert stage.status.state == wish


async def test_an_attempt_that_an_invalid_spec_holds_back_is_not_looked_at_every_second() -> None:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail("Connection refused")
    stage.apply()
    await stage.until(lambda it: it.status.operation and it.status.operation.phase == "Starting")
    stage.edit(flinkVersion="0.9")
    await stage.looks(60)

    outcome = await stage.look()

    assert outcome is not None
    assert outcome.look_again.total_seconds() >= 30


async def test_a_script_that_appears_later_starts_the_job() -> None:
    stage = Stage()
    stage.apply(
        jar=None, sql={"scriptFrom": {"configMapKeyRef": {"name": "script", "key": "job.sql"}}}
    )
    await stage.settle()
    about = {"name": "script", "namespace": "shop"}
    stage.kube.put(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"job.sql": SQL}}
    )

    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Running", None)


async def test_a_start_time_in_the_future_is_refused_before_any_pod() -> None:
    stage = Stage()
    position = {"position": "Timestamp", "timestamp": "2030-01-01T00:00:00Z"}
    stage.apply(jar=None, sql={"script": SQL}, startFrom=position)

    await stage.settle()
    mark = len(stage.calls.made)
    await stage.looks(300)

    assert (stage.status.state, stage.warning) == ("Stopped", "RunFailed")
    assert stage.status.warning is not None
    assert "lies in the future" in stage.status.warning.message
    assert stage.condition("Stalled") == ("True", "RunFailed")
    assert stage.status.run is None
    assert stage.calls.writes(mark) == []
