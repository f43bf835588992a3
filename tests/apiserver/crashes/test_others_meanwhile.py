"""Somebody else writes right before the operator does; the server itself refuses then."""

from __future__ import annotations

from functools import partial

import pytest

from streamjob_operator.kube import kinds
from streamjob_operator.kube.kinds import Kind
from tests.apiserver.crashes.server import Server
from tests.apiserver.crashes.stage import ServerStage
from tests.apiserver.crashes.workers import Share, Workers
from tests.fakes.calls import Call
from tests.unit.reconcile.answers import check_outcome
from tests.unit.reconcile.driver import NAME
from tests.unit.reconcile.operations import CASES, Case, rehearse

pytestmark = pytest.mark.apiserver

FIRST_OF_A_PASS = Call("kube", "get", f"StreamJob {NAME}")
SHARED = {
    kind.name: kind
    for kind in (kinds.SERVICE_ACCOUNT, kinds.ROLE, kinds.ROLE_BINDING, kinds.NETWORK_POLICY)
}
"""What all runs of a job have in common: there since its first run."""


@pytest.mark.failure(
    what="Others write to the resource meanwhile",
    shown="what comes of the operation",
    kept="what they wrote; a decision on what was read before is neither recorded nor carried out",
)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
async def test_a_decision_is_dropped_when_somebody_has_written_since_the_look(
    case: Case, workers: Workers
) -> None:
    async def replay(server: Server, share: Share) -> None:
        rehearsal = await rehearse(case, partial(ServerStage, server))
        calls = rehearsal.calls.items()
        records = [number for number, call in calls if call.verb == "apply_status"]
        assert records
        for number in share.of(records):
            stage = rehearsal.before(number)
            stage.kube.meanwhile[number] = partial(annotate, stage)
            await stage.settle()
            assert stage.calls.made[number] == FIRST_OF_A_PASS, "nothing is done on top of it"
            check_outcome(case, stage, rehearsal.calls[number], "conflict")
            assert stage.resource["metadata"]["annotations"] == {"team": "billing"}

    await workers.do(replay)


@pytest.mark.parametrize(
    "case",
    [case for case in CASES if case.name in {"resume", "upgrade", "recover", "restart"}],
    ids=lambda case: case.name,
)
async def test_an_object_that_was_made_anew_since_the_look_is_looked_at_again(
    case: Case, workers: Workers
) -> None:
    async def replay(server: Server, share: Share) -> None:
        rehearsal = await rehearse(case, partial(ServerStage, server))
        applied = [item for item in rehearsal.calls.items() if item[1].verb == "apply"]
        shared = [number for number, call in applied if call.what.split()[0] in SHARED]
        assert len(shared) == len(SHARED)
        for number in share.of(shared):
            kind, name = rehearsal.calls[number].what.split()
            stage = rehearsal.before(number)
            stage.kube.meanwhile[number] = partial(make_anew, stage, SHARED[kind], name)
            await stage.settle()
            assert stage.calls.made[number] == FIRST_OF_A_PASS
            check_outcome(case, stage, rehearsal.calls[number], "conflict")

    await workers.do(replay)


def annotate(stage: ServerStage) -> None:
    """As `kubectl annotate` does."""
    body = {"metadata": {"annotations": {"team": "billing"}}}
    stage.kube.patch(kinds.STREAM_JOB, stage.namespace, NAME, body)


def make_anew(stage: ServerStage, kind: Kind, name: str) -> None:
    """As a tool does that deletes an object and makes it from a backup."""
    body = stage.kube.read(kind, stage.namespace, name)
    assert body is not None
    meta = body["metadata"]
    about = {field: meta[field] for field in ("name", "namespace", "labels", "ownerReferences")}
    stage.kube.vanish(kind, stage.namespace, name)
    stage.kube.put(body | {"metadata": about})
