"""What a pass may cost (contract, section 8), and that nothing is written where nothing changed."""

from __future__ import annotations

import pytest

from streamjob_operator.errors import Conflict, Unavailable
from streamjob_operator.flink.models import Failure
from tests.unit.reconcile.driver import Stage, paused, running

pytestmark = pytest.mark.unit


async def _stopped() -> Stage:
    stage = await running()
    stage.wish("Stopped")
    await stage.settle()
    return stage


async def _finished() -> Stage:
    stage = await running()
    stage.job.finish()
    await stage.settle()
    return stage


async def _pause_given_up() -> Stage:
    stage = await running()
    stage.job.savepoints_fail = Failure("disk is full")
    stage.wish("Paused")
    await stage.settle()
    return stage


async def _run_given_up() -> Stage:
    stage = Stage()
    stage.flink.on_start[1] = lambda job: job.fail_in_program("no such class")
    stage.apply()
    await stage.settle()
    return stage


@pytest.mark.parametrize(
    "begin", [running, paused, _stopped, _finished, _pause_given_up, _run_given_up]
)
async def test_a_pass_in_which_nothing_changed_costs_two_reads_and_no_write(begin: object) -> None:
    stage: Stage = await begin()  # type: ignore[operator]
    version = stage.resource["metadata"]["resourceVersion"]
    events = list(stage.events)

    for _ in range(20):
        mark = len(stage.calls.made)
        await stage.look()
        asked = [call.verb for call in stage.calls.of("kube", since=mark)]
        assert asked == ["get", "find"]

    assert stage.resource["metadata"]["resourceVersion"] == version
    assert stage.events == events


async def test_other_children_are_read_again_every_ten_minutes() -> None:
    stage = await running()
    mark = len(stage.calls.made)

    await stage.looks(630)

    read = [call.what for call in stage.calls.of("kube", "find", mark) if call.what != "Pod"]
    assert sorted(read) == ["ConfigMap", "ConfigMap", "Deployment", "Service"]


async def test_another_operator_that_takes_over_writes_nothing() -> None:
    stage = await running()
    version = stage.resource["metadata"]["resourceVersion"]
    stage.restart_operator()

    await stage.looks(60)

    assert stage.resource["metadata"]["resourceVersion"] == version


async def test_a_conflict_on_status_means_that_nothing_is_done() -> None:
    stage = Stage()
    stage.apply()
    stage.calls.fail("kube", "apply_status", Conflict("the object has been modified"))
    mark = len(stage.calls.made)

    await stage.look()

    assert [call.verb for call in stage.calls.writes(mark)] == ["apply_status"]
    await stage.settle()
    assert (stage.status.state, stage.status.run) == ("Running", 1)


async def test_an_edit_between_reading_and_writing_is_a_conflict() -> None:
    stage = await running()
    stage.wish("Paused")
    read = stage.kube.find

    async def edited_meanwhile(*arguments: object) -> list[dict[str, object]]:
        stage.kube.find = read  # type: ignore[method-assign]
        stage.wish("Running")
        return await read(*arguments)  # type: ignore[arg-type]

    stage.kube.find = edited_meanwhile  # type: ignore[assignment, method-assign]
    await stage.settle()

    assert (stage.status.state, stage.status.run) == ("Running", 1)
    assert stage.triggers == set()


@pytest.mark.failure(
    what="The API server is away",
    shown="30 calls fail during a Pause: Paused in the end",
    kept="one snapshot: no second one is asked for",
)
async def test_an_outage_of_the_api_server_loses_nothing() -> None:
    stage = await running()
    stage.wish("Paused")
    stage.calls.fail("kube", "", Unavailable("no answer from the API server"), times=30)

    await stage.settle()

    assert stage.status.state == "Paused"
    assert len(stage.triggers) == 1


async def test_an_event_that_cannot_be_posted_holds_nothing_up() -> None:
    stage = Stage()
    stage.calls.fail("kube", "create", Unavailable("no answer"), times=99)
    stage.apply()

    await stage.settle()

    assert stage.status.state == "Running"
    assert stage.events == []


async def test_a_pause_costs_few_writes() -> None:
    stage = await running()
    mark = len(stage.calls.made)
    stage.wish("Paused")

    await stage.settle()

    written = [call for call in stage.calls.writes(mark) if call.verb == "apply_status"]
    assert len(written) <= 6
