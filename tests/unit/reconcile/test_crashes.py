"""The operator is killed, or an answer is lost, at every single call that changes something.

Reads change nothing, so a kill at a read is one at the change before it (contract, section 7).
"""

from __future__ import annotations

import copy
from collections.abc import Awaitable, Callable

import pytest

from streamjob_operator.kube import kinds
from tests.unit.reconcile.driver import NAMESPACE, Stage, paused, running

pytestmark = pytest.mark.unit

FINE = {"Ready": True, "Stalled": False, "LastOperationSucceeded": True}


async def _unborn() -> Stage:
    stage = Stage()
    stage.flink.program = stage.run_at_once
    return stage


def _is_running_afresh(stage: Stage) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 1)
    assert stage.job.restored_path is None


def _is_paused(stage: Stage) -> None:
    assert stage.status.state == "Paused"
    assert stage.status.snapshot is not None
    assert stage.status.snapshot.path in stage.flink.files
    assert stage.status.snapshot.origin == "Pause"
    assert len(stage.triggers) == 1
    assert _left(stage) == []


def _is_resumed(stage: Stage) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.status.snapshot is not None
    assert stage.job.restored_path == stage.status.snapshot.path
    assert len(stage.triggers) == 1


def _is_stopped(stage: Stage) -> None:
    assert stage.status.state == "Stopped"
    assert stage.status.snapshot is None
    assert stage.triggers == set()
    assert _left(stage) == []


def _is_upgraded(stage: Stage) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.status.snapshot is not None
    assert stage.job.restored_path == stage.status.snapshot.path
    assert stage.job_of(1).savepoints.keys() == stage.triggers
    assert len(stage.triggers) == 1


def _is_recovered(stage: Stage) -> None:
    assert (stage.status.state, stage.status.run) == ("Running", 2)
    assert stage.job.restored_path == stage.job_of(1).checkpoints[-1].path


def _left(stage: Stage) -> list[str]:
    found = (kinds.DEPLOYMENT, kinds.POD, kinds.SERVICE, kinds.CONFIG_MAP)
    return [
        body["metadata"]["name"] for kind in found for body in stage.kube.select(kind, NAMESPACE)
    ]


OPERATIONS: list[
    tuple[Callable[[], Awaitable[Stage]], Callable[[Stage], None], Callable[[Stage], None]]
] = [
    (_unborn, lambda stage: stage.apply(), _is_running_afresh),
    (running, lambda stage: stage.wish("Paused"), _is_paused),
    (paused, lambda stage: stage.wish("Running"), _is_resumed),
    (running, lambda stage: stage.wish("Stopped"), _is_stopped),
    (running, lambda stage: stage.edit(parallelism=2), _is_upgraded),
    (running, lambda stage: stage.job.fail("sink is gone"), _is_recovered),
]
NAMES = ["run", "pause", "resume", "stop", "upgrade", "recover"]


@pytest.mark.parametrize("how", ["kill_before", "kill_after", "lose_answer_of"])
@pytest.mark.parametrize(("begin", "change", "check"), OPERATIONS, ids=NAMES)
async def test_cut_off_at_any_call_the_operation_comes_to_the_same_end(
    begin: Callable[[], Awaitable[Stage]],
    change: Callable[[Stage], None],
    check: Callable[[Stage], None],
    how: str,
) -> None:
    before = await begin()
    whole = copy.deepcopy(before)
    mark = len(whole.calls.made)
    change(whole)
    await whole.settle()
    check(whole)
    acts = [number for number, call in enumerate(whole.calls.made, 1) if call.is_act]

    for number in [number for number in acts if number > mark]:
        stage = copy.deepcopy(before)
        setattr(stage.calls, how, number)
        change(stage)
        where = f"{how} {whole.calls.made[number - 1]}"
        await stage.settle()
        assert stage.kills == (how != "lose_answer_of"), where
        try:
            check(stage)
            assert stage.conditions == FINE
            assert stage.warning is None
            assert stage.kubelet.violations == []
        except AssertionError as error:
            error.add_note(f"{where}: {stage.told()}")
            raise


@pytest.mark.parametrize("every", [17, 29])
@pytest.mark.parametrize(("begin", "change", "check"), OPERATIONS, ids=NAMES)
async def test_killed_again_and_again_the_operation_comes_to_the_same_end(
    begin: Callable[[], Awaitable[Stage]],
    change: Callable[[Stage], None],
    check: Callable[[Stage], None],
    every: int,
) -> None:
    stage = await begin()
    change(stage)
    for _ in range(12):
        stage.calls.kill_after = len(stage.calls.made) + every
        await stage.look()

    await stage.settle()

    check(stage)
    assert stage.conditions == FINE
    assert stage.kubelet.violations == []
