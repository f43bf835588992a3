"""The operator is killed right before and right after every single call, on a real API server."""

from __future__ import annotations

from functools import partial

import pytest

from tests.apiserver.crashes.server import Server
from tests.apiserver.crashes.stage import ServerStage
from tests.apiserver.crashes.workers import Share, Workers
from tests.unit.reconcile.operations import CASES, Case, crash_points, die_and_go_on, rehearse

pytestmark = pytest.mark.apiserver


@pytest.mark.failure(
    what="The operator is killed",
    shown="right before or right after any call of any operation: the next one comes to the same "
    "end, without a warning",
    kept="every snapshot; no run is submitted twice, no second snapshot is asked for",
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_killed_at_any_call_the_operation_comes_to_the_same_end(
    case: Case, workers: Workers
) -> None:
    async def replay(server: Server, share: Share) -> None:
        rehearsal = await rehearse(case, partial(ServerStage, server))
        for number, how in share.of(crash_points(rehearsal)):
            await die_and_go_on(case, rehearsal, number, how)

    await workers.do(replay)
