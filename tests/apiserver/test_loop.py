"""Kopf, the loop and the Kubernetes client on a real API server; Flink and the nodes are played."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from streamjob_operator.errors import NotFound
from streamjob_operator.flink.models import Failure
from streamjob_operator.kube import kinds
from tests.apiserver.apiserver import ApiServer
from tests.fakes.live import EVENT, Live, live

pytestmark = pytest.mark.apiserver

NAME = "orders"


@pytest.fixture
async def restless(
    deployed: ApiServer,
    namespace: str,
    operator_kubeconfig: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Live]:
    """With an operator that looks again and again, without being told of anything."""
    monkeypatch.setenv("KUBECONFIG", str(operator_kubeconfig))
    often = {"poll_seconds": 0.5, "resync_seconds": 1}
    async with live(namespace, deployed.kubeconfig, operator_kubeconfig, **often) as made:
        yield made


async def test_a_job_runs_pauses_resumes_stops_and_runs_again(cluster: Live) -> None:
    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        await cluster.edit(NAME, desiredState="Paused")
        await cluster.state(NAME, "Paused")
        snapshot = (await cluster.status(NAME)).snapshot
        assert snapshot is not None
        assert await cluster.left(kinds.POD, NAME) == []
        await cluster.edit(NAME, desiredState="Running")
        await cluster.state(NAME, "Running")
        assert cluster.job_of(NAME, 2).restored_path == snapshot.path
        await cluster.edit(NAME, desiredState="Stopped")
        await cluster.state(NAME, "Stopped")
        await cluster.edit(NAME, desiredState="Running")
        await cluster.state(NAME, "Running")
        assert cluster.job_of(NAME, 3).restored_path is None

    told = await cluster.administrator.events(cluster.namespace, NAME)
    assert told == [
        *("Starting", "Started"),
        *("Pausing", "SnapshotTaken", "Paused"),
        *("Resuming", "Resumed"),
        *("Stopping", "Stopped"),
        *("Starting", "Started"),
    ]


async def test_a_deleted_job_leaves_nothing_and_is_not_held_up(cluster: Live) -> None:
    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        await cluster.administrator.delete(kinds.STREAM_JOB, cluster.namespace, NAME)
        with pytest.raises(NotFound):
            await cluster.until(NAME, lambda _: False)

    for kind in (kinds.DEPLOYMENT, kinds.POD, kinds.SERVICE, kinds.CONFIG_MAP):
        assert await cluster.left(kind, NAME) == []
    left = await cluster.administrator.find(kinds.CONFIG_MAP, cluster.namespace, "")
    assert [each for each in left if each["metadata"]["name"].startswith("cql-")] == []


async def test_a_job_made_again_under_its_name_is_looked_after_again(cluster: Live) -> None:
    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        before = (await cluster.status(NAME)).job_id
        await cluster.administrator.delete(kinds.STREAM_JOB, cluster.namespace, NAME)
        with pytest.raises(NotFound):
            await cluster.until(NAME, lambda _: False)
        cluster.flink.jobs_by_address.clear()
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")

        assert (await cluster.status(NAME)).job_id != before


async def test_a_changed_wish_is_acted_on_at_once(cluster: Live) -> None:
    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        cluster.job_of(NAME, 1).savepoints_wait = True
        await asyncio.sleep(1)
        await cluster.edit(NAME, desiredState="Paused")

        # The next look of its own would come after a minute, the next at Flink after 5 s.
        assert await cluster.until(NAME, lambda it: it.state == "Operating") < 2
        assert len(cluster.job_of(NAME, 1).asked) == 1


@pytest.mark.failure(
    what="Flink gives the job up (FAILED)",
    shown="Running, a new run",
    kept="the newest checkpoint: the new run starts from it",
)
async def test_what_flink_does_by_itself_is_seen_by_the_poll(restless: Live) -> None:
    async with restless.operator():
        await restless.create(NAME)
        await restless.state(NAME, "Running")
        newest = restless.job_of(NAME, 1).checkpoint()
        restless.job_of(NAME, 1).fail("sink is gone")
        await restless.until(NAME, lambda it: it.run == 2)
        await restless.state(NAME, "Running")

    assert restless.job_of(NAME, 2).restored_path == newest.path


@pytest.mark.failure(
    what="A pod is lost",
    shown="all pods of the job: Unknown in less than 4 seconds, then Running",
    kept="the job goes on",
)
async def test_a_lost_pod_is_seen_by_its_watch(cluster: Live) -> None:
    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        cluster.flink.unreachable = True
        pods = await cluster.left(kinds.POD, NAME)
        for pod in pods:
            await cluster.administrator.vanish(kinds.POD, cluster.namespace, pod)

        assert await cluster.until(NAME, lambda it: it.state == "Unknown") < 4
        cluster.flink.unreachable = False
        await cluster.state(NAME, "Running")


@pytest.mark.failure(
    what="Others write to the resource meanwhile",
    shown="during a Pause: Paused",
    kept="one snapshot, and what the others wrote",
)
async def test_writes_of_others_in_between_do_no_harm(cluster: Live) -> None:
    async def keep_labelling() -> None:
        for number in range(200):
            body = {"metadata": {"labels": {"touched": str(number)}}}
            await cluster.administrator.patch(kinds.STREAM_JOB, cluster.namespace, NAME, body)
            await asyncio.sleep(0.01)

    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        others = asyncio.create_task(keep_labelling())
        await cluster.edit(NAME, desiredState="Paused")
        await cluster.state(NAME, "Paused")
        others.cancel()

    assert len(set(cluster.job_of(NAME, 1).asked)) == 1
    body = await cluster.read(NAME)
    assert body["metadata"]["labels"]["touched"]


@pytest.mark.failure(
    what="The operator is killed",
    shown="ended during a Pause: the next operator makes it Paused",
    kept="the snapshot that the first one asked for: no second one",
)
async def test_an_operator_that_starts_again_goes_on_with_the_same_savepoint(
    cluster: Live,
) -> None:
    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        cluster.job_of(NAME, 1).savepoints_wait = True
        await cluster.edit(NAME, desiredState="Paused")
        await cluster.until(NAME, lambda it: it.operation and cluster.job_of(NAME, 1).asked)
    operation = (await cluster.status(NAME)).operation
    assert operation is not None
    cluster.job_of(NAME, 1).complete_savepoints()

    async with cluster.operator():
        await cluster.state(NAME, "Paused")

    assert set(cluster.job_of(NAME, 1).asked) == {operation.trigger_id}
    snapshot = (await cluster.status(NAME)).snapshot
    assert snapshot is not None
    assert snapshot.path.startswith(str(operation.target_dir))


@pytest.mark.failure(
    what="The Flink of one job is slow",
    shown="another job is Paused in less than 10 seconds; the slow one is still Running",
    kept="both jobs",
)
async def test_a_job_whose_flink_is_slow_does_not_delay_another(cluster: Live) -> None:
    async with cluster.operator():
        for name in (NAME, "slow"):
            await cluster.create(name)
            await cluster.state(name, "Running")
        slow = cluster.world.address("slow", cluster.namespace, 1)
        cluster.flink.delays[slow] = 30
        await cluster.edit("slow", desiredState="Paused")
        await cluster.edit(NAME, desiredState="Paused")

        assert await cluster.state(NAME, "Paused") < 10
        assert (await cluster.status("slow")).state == "Running"


async def test_an_idle_job_causes_no_write_whatever_its_state(restless: Live) -> None:
    async with restless.operator():
        for name in ("runs", "rests", "ended", "fails", "wrong"):
            await restless.create(
                name,
                desiredState="Stopped" if name == "rests" else "Running",
                retry={"maxAttempts": 1},
                flinkVersion="0.9" if name == "wrong" else "2.3",
            )
        for name in ("runs", "ended", "fails"):
            await restless.state(name, "Running")
        restless.job_of("ended", 1).finish()
        restless.job_of("fails", 1).savepoints_fail = Failure("disk is full")
        await restless.edit("fails", desiredState="Paused")
        await restless.until("fails", lambda it: it.warning and it.operation is None)
        await restless.until("wrong", lambda it: it.warning)
        await restless.state("ended", "Stopped")
        await restless.state("rests", "Stopped")
        await asyncio.sleep(2)
        before = await _versions(restless)

        await asyncio.sleep(15)

        assert await _versions(restless) == before


async def _versions(cluster: Live) -> dict[str, str]:
    """Versions of all that the operator writes, events included."""
    written = (*(kinds.STREAM_JOB, kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP), EVENT)
    return {
        f"{kind.name} {each['metadata']['name']}": each["metadata"]["resourceVersion"]
        for kind in written
        for each in await cluster.administrator.find(kind, cluster.namespace, "")
    }


async def test_a_service_of_somebody_else_is_left_as_it_is(cluster: Live) -> None:
    theirs = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"{NAME}-jm-1", "namespace": cluster.namespace},
        "spec": {"selector": {"app": "billing"}, "ports": [{"port": 8081}]},
    }
    await cluster.administrator.make(theirs)
    before = await cluster.administrator.get(kinds.SERVICE, cluster.namespace, f"{NAME}-jm-1")

    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.until(NAME, lambda it: it.warning and it.operation is None)
        warning = (await cluster.status(NAME)).warning
        assert warning is not None
        assert warning.reason == "RunFailed"
        assert f"Service {NAME}-jm-1" in warning.message
        await cluster.state(NAME, "Running")

    after = await cluster.administrator.get(kinds.SERVICE, cluster.namespace, f"{NAME}-jm-1")
    assert after == before
    assert (await cluster.status(NAME)).run == 2


async def test_every_field_of_status_is_in_the_schema(restless: Live) -> None:
    """What the schema does not know is dropped by the server, and would be written for ever."""
    async with restless.operator():
        await restless.create(NAME, retry={"maxAttempts": 5})
        await restless.state(NAME, "Running")
        restless.job_of(NAME, 1).savepoints_fail = Failure("disk is full")
        await restless.edit(NAME, desiredState="Paused")
        await restless.until(NAME, lambda it: it.warning and it.operation is None)
    body = await restless.read(NAME)

    status = await restless.status(NAME)
    assert status.retry is not None
    assert status.retry.next_attempt_at is not None
    assert body["status"] == status.to_wire()
