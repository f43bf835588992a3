"""Objects of a running job are edited by hand: put back as they were applied, without a fight."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from streamjob_operator.builders import pods
from streamjob_operator.errors import Rejected
from streamjob_operator.kube import kinds
from streamjob_operator.kube.kinds import Kind
from tests.unit.reconcile.driver import NAMESPACE, Stage, paused, running

pytestmark = pytest.mark.unit

Body = dict[str, Any]
Children = dict[tuple[str, str], Body]

TASKMANAGERS = (kinds.DEPLOYMENT, "orders-tm-1")
JOBMANAGER = (kinds.DEPLOYMENT, "orders-jm-1")
SERVICE = (kinds.SERVICE, "orders-jm-1")


def child(stage: Stage, of: tuple[Kind, str]) -> Body:
    body = stage.kube.read(of[0], NAMESPACE, of[1])
    assert body is not None, of
    return body


def content(stage: Stage) -> Children:
    """What was applied of each of the run's objects."""
    found = {}
    for kind, name in (TASKMANAGERS, JOBMANAGER, SERVICE):
        body = child(stage, (kind, name))
        about = body["metadata"]
        kept = {"labels": about.get("labels"), "owners": about.get("ownerReferences")}
        found[kind.name, name] = kept | {"spec": body["spec"]}
    return found


def scaled(stage: Stage, replicas: int = 0) -> None:
    stage.kube.edit(*_place(TASKMANAGERS), replicas=replicas)
    stage.memory.children = None


def another_image(stage: Stage) -> None:
    template = child(stage, JOBMANAGER)["spec"]["template"]
    main = template["spec"]["containers"][0] | {"image": "flink:1.20"}
    spec = template["spec"] | {"containers": [main]}
    stage.kube.edit(*_place(JOBMANAGER), template=template | {"spec": spec})


def another_selector(stage: Stage) -> None:
    selector = child(stage, SERVICE)["spec"]["selector"]
    stage.kube.edit(*_place(SERVICE), selector=selector | {"streamjob.dev/run": "7"})


def no_ports(stage: Stage) -> None:
    stage.kube.edit(*_place(SERVICE), ports=None)


def without_owner(stage: Stage) -> None:
    _change_metadata(stage, TASKMANAGERS, ownerReferences=[])


def another_label(stage: Stage) -> None:
    labels = child(stage, SERVICE)["metadata"]["labels"]
    _change_metadata(stage, SERVICE, labels=labels | {"app.kubernetes.io/managed-by": "me"})


EDITS: dict[Callable[[Stage], None], str] = {
    scaled: "Deployment orders-tm-1: spec.replicas",
    another_image: "Deployment orders-jm-1: "
    "spec.template.spec.containers[flink-main-container].image",
    another_selector: "Service orders-jm-1: spec.selector[streamjob.dev/run]",
    no_ports: "Service orders-jm-1: spec.ports",
    without_owner: "Deployment orders-tm-1: metadata.ownerReferences",
    another_label: "Service orders-jm-1: metadata.labels[app.kubernetes.io/managed-by]",
}


def _place(of: tuple[Kind, str]) -> tuple[Kind, str, str]:
    return of[0], NAMESPACE, of[1]


def _change_metadata(stage: Stage, of: tuple[Kind, str], **changes: Any) -> None:
    """By somebody else: who has applied the object stays known."""
    body = child(stage, of)
    stage.kube.put(body | {"metadata": body["metadata"] | changes})


@pytest.mark.failure(
    what="A child object is edited by hand",
    shown="Running, event `PutBack` with the object and its fields",
    kept="the same run; nothing that was not edited is touched",
)
@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
async def test_what_was_edited_is_put_back_and_nothing_else_is_touched(
    edit: Callable[[Stage], None],
) -> None:
    stage = await running()
    before, told = content(stage), len(stage.events)
    edit(stage)
    stage.memory.children = None
    mark = len(stage.calls.made)

    await stage.settle()

    applied = [call.what for call in stage.calls.of("kube", "apply", mark)]
    assert applied == [EDITS[edit].partition(":")[0]]
    assert content(stage) == before
    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)
    assert stage.events[told:].count("PutBack") == 1
    message = next(it["message"] for it in stage.kube.events if it["reason"] == "PutBack")
    assert message.startswith(f"{EDITS[edit]}: edited")


@pytest.mark.parametrize("how", ["edited", "deleted"])
async def test_a_newer_operator_puts_back_what_the_older_one_has_applied(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    stage = await running()
    before = content(stage)
    uids = {of: child(stage, of)["metadata"]["uid"] for of in (TASKMANAGERS, JOBMANAGER)}
    monkeypatch.setattr(pods, "_GRACE_SECONDS", 77)
    stage.restart_operator()
    await stage.looks(60)
    assert content(stage) == before, "a newer operator alone changes nothing"

    if how == "edited":
        scaled(stage)
    else:
        stage.kube.vanish(*_place(SERVICE))
        stage.memory.children = None
    await stage.settle()

    assert content(stage) == before
    assert uids == {of: child(stage, of)["metadata"]["uid"] for of in uids}
    assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)


async def test_an_edit_that_no_watch_has_told_of_is_seen_within_ten_minutes() -> None:
    stage = await running()
    stage.kube.edit(*_place(SERVICE), publishNotReadyAddresses=False)

    await stage.looks(620)

    assert child(stage, SERVICE)["spec"]["publishNotReadyAddresses"] is True


async def test_a_label_that_is_no_number_ends_no_pass() -> None:
    stage = await running()
    labels = child(stage, TASKMANAGERS)["metadata"]["labels"]
    _change_metadata(stage, TASKMANAGERS, labels=labels | {"streamjob.dev/run": "first"})
    stage.memory.children = None

    await stage.settle()

    assert child(stage, TASKMANAGERS)["metadata"]["labels"] == labels
    assert (stage.status.state, stage.status.run) == ("Running", 1)


@pytest.mark.failure(
    what="A child object is edited by hand",
    shown="again and again, by an autoscaler for example: `PutBackFailed` naming the field, "
    "which stays until it is left alone for 15 minutes",
    kept="the same run; put back less and less often, at last every 10 minutes",
)
async def test_what_is_edited_again_and_again_is_no_fight() -> None:
    stage = await running()
    put_back: list[float] = []
    begun, warned = stage.clock.now(), False
    while (passed := (stage.clock.now() - begun).total_seconds()) < 3600:
        replicas = child(stage, TASKMANAGERS)["spec"]["replicas"]
        if replicas == 1:
            put_back.append(passed)
            scaled(stage, replicas=2)
        await stage.look()
        warned = warned or stage.warning == "PutBackFailed"
        assert not warned or stage.warning == "PutBackFailed", "it never comes and goes"
        stage.clock.advance(timedelta(milliseconds=1))

    waits = [later - earlier for earlier, later in pairwise(put_back[3:])]
    assert all(wait > 29 for wait in waits), waits
    assert len(waits) <= 10
    assert waits[-1] >= 595
    assert stage.events.count("PutBack") == 3
    assert stage.events.count("PutBackFailed") == 1
    assert stage.status.warning is not None
    assert "Deployment orders-tm-1: spec.replicas" in stage.status.warning.message
    assert stage.conditions["LastOperationSucceeded"], "no operation has failed"
    assert stage.status.run == 1

    await stage.looks(1800)

    assert stage.warning is None
    assert child(stage, TASKMANAGERS)["spec"]["replicas"] == 1


async def test_a_fight_writes_nothing_while_it_waits() -> None:
    stage = await running()
    await stage.until(_contested)
    await stage.looks(2)
    mark = len(stage.calls.made)

    await stage.looks(10)

    assert stage.calls.writes(mark) == []


async def test_a_wish_is_followed_while_an_edit_waits_to_be_put_back() -> None:
    stage = await running()
    await stage.until(_contested)

    stage.wish("Paused")
    await stage.settle()

    assert (stage.status.state, stage.warning) == ("Paused", None)


def _contested(stage: Stage) -> bool:
    if child(stage, TASKMANAGERS)["spec"]["replicas"] == 1:
        scaled(stage, replicas=2)
    return stage.warning == "PutBackFailed"


@pytest.mark.failure(
    what="A child object is edited by hand",
    shown="and the API server refuses to put it back: `PutBackFailed` with its words; gone when"
    " it takes it, or the edit is taken back",
    kept="the same run",
)
@pytest.mark.parametrize("end", ["taken back", "allowed again"])
async def test_what_the_server_refuses_is_told_with_its_words(end: str) -> None:
    stage = await running()
    refusal = Rejected("admission webhook says no")
    stage.calls.fail("kube", "apply", refusal, times=1000)
    scaled(stage)

    await stage.looks(300)

    assert (stage.status.run, stage.warning) == (1, "PutBackFailed")
    assert stage.status.warning is not None
    assert "admission webhook says no" in stage.status.warning.message
    assert stage.events.count("PutBackFailed") == 1
    assert len(stage.calls.of("kube", "apply", 0)) < 30
    if end == "taken back":
        scaled(stage, replicas=1)
    else:
        stage.calls.heal()
    await stage.looks(700)
    assert (stage.status.state, stage.warning) == ("Running", None)


async def test_what_is_due_for_another_reason_goes_before_putting_back() -> None:
    stage = await running()
    scaled(stage)
    stage.wish("Paused")
    mark = len(stage.calls.made)

    await stage.look()

    acts = [call.verb for call in stage.calls.made[mark:] if call.is_act and call.verb != "create"]
    assert acts == ["apply_status", "stop_with_savepoint"]
    await stage.settle()
    assert stage.status.state == "Paused"


async def test_what_was_edited_while_a_job_starts_is_put_back() -> None:
    stage = Stage()
    stage.apply()
    await stage.until(lambda it: it.status.run == 1 and it.kube.read(*_place(TASKMANAGERS)))
    scaled(stage)
    stage.flink.program = stage.run_at_once

    await stage.until(lambda it: child(it, TASKMANAGERS)["spec"]["replicas"] == 1, passes=20)

    assert stage.status.run == 1


async def test_nothing_of_a_run_that_ends_is_put_back() -> None:
    stage = await paused()
    assert stage.kube.select(kinds.DEPLOYMENT, NAMESPACE) == []
    mark = len(stage.calls.made)
    stage.memory.children = None

    await stage.looks(60)

    assert stage.calls.writes(mark) == []


@pytest.mark.parametrize("when", ["kill_before", "kill_after"])
async def test_an_operator_killed_while_it_puts_back_is_followed_by_one_that_does(
    when: str,
) -> None:
    stage = await running()
    before, begun = content(stage), len(stage.calls.made)
    another_image(stage)
    stage.memory.children = None
    edited = stage.frozen()
    await stage.settle()
    asked = [call.verb for call in stage.calls.made[begun:]]
    assert {"merge", "apply"} <= set(asked)

    for number in range(begun + 1, begun + asked.index("apply") + 2):
        stage = edited()
        setattr(stage.calls, when, number)
        await stage.settle()
        assert stage.kills == 1
        assert content(stage) == before
        assert (stage.status.state, stage.status.run, stage.warning) == ("Running", 1, None)


async def test_somebody_elses_object_of_that_name_is_no_edited_one() -> None:
    stage = await running()
    stage.kube.vanish(*_place(SERVICE))
    labels = {"streamjob.dev/job": "orders", "streamjob.dev/run": "1"}
    about = {"name": SERVICE[1], "namespace": NAMESPACE, "labels": labels}
    theirs = stage.kube.put({"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {}})
    stage.memory.children = None

    await stage.looks(60)

    assert stage.warning == "PutBackFailed"
    assert child(stage, SERVICE) == theirs
