"""Objects that a real API server has defaulted, and that real kubectl has edited."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from streamjob_operator.act import act
from streamjob_operator.api.constants import FIELD_MANAGER
from streamjob_operator.api.run import RunRecord
from streamjob_operator.builders.run import (
    job_objects,
    owner_reference,
    run_config_map,
    run_objects,
)
from streamjob_operator.decide.plan import PutBack
from streamjob_operator.kube import kinds
from streamjob_operator.kube.client import AioKubeClient
from streamjob_operator.kube.kinds import kind_of
from streamjob_operator.kube.ownership import EditedField, edited_fields
from streamjob_operator.observe_edits import edits_seen
from streamjob_operator.runtime.clock import SystemClock
from streamjob_operator.settings import Settings
from streamjob_operator.world import World
from tests.apiserver.apiserver import ApiServer
from tests.fakes.calls import Calls
from tests.fakes.flink import FakeFlink
from tests.fakes.live import EVENT, Live, connect
from tests.unit.builders import records

pytestmark = pytest.mark.apiserver

Body = dict[str, Any]
NAME = "orders"
MAIN = "flink-main-container"
UNUSUAL: Body = {
    "spec": {
        "hostNetwork": False,
        "nodeSelector": {},
        "tolerations": [],
        "containers": [
            {
                "name": MAIN,
                "livenessProbe": {"tcpSocket": {"port": "metrics"}, "initialDelaySeconds": 0},
                "env": [{"name": "EMPTY", "value": ""}],
            },
            {
                "name": "sidecar",
                "image": "busybox",
                "resources": {"limits": {"cpu": "1000m", "memory": "1024Mi"}},
                "ports": [{"containerPort": 53, "protocol": "UDP"}, {"containerPort": 53}],
            },
        ],
        "volumes": [{"name": "scratch", "emptyDir": {"sizeLimit": "1024Mi"}}],
    }
}


def unusual() -> RunRecord:
    """What the API server writes in other words, or leaves out."""
    spec = records.sql_minimal().spec
    return records.record(spec.model_copy(update={"pod_template": UNUSUAL}))


def in_namespace(run: RunRecord, namespace: str) -> RunRecord:
    return run.model_copy(
        update={"job": run.job.model_copy(update={"namespace": namespace, "uid": "1"})}
    )


def all_objects(run: RunRecord) -> list[Body]:
    owner = owner_reference(run.job)
    shared = job_objects(
        run.job, owner, operator_namespace="streamjob-system", metrics_namespace="monitoring"
    )
    return [run_config_map(run, owner), *shared, *run_objects(run, owner)]


@pytest.fixture
async def kube(operator_kubeconfig: Path) -> AsyncIterator[AioKubeClient]:
    """With just the operator's rights."""
    client: AioKubeClient = await connect(operator_kubeconfig, AioKubeClient)
    yield client
    await client.close()


async def eventually(happened: Callable[[], Awaitable[bool]], seconds: float) -> None:
    """Wait until it has happened."""
    deadline = time.monotonic() + seconds
    while not await happened():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        await asyncio.sleep(0.05)


async def edits_of(kube: AioKubeClient, objects: list[Body]) -> list[EditedField]:
    found: list[EditedField] = []
    for body in objects:
        meta = body["metadata"]
        live = await kube.get(kind_of(body), meta["namespace"], meta["name"])
        found += edited_fields(json.loads(json.dumps(body)), live, FIELD_MANAGER)
    return found


@pytest.mark.parametrize(
    "make", [records.sql_minimal, records.jar_restored, records.sql_pod_templates, unusual]
)
async def test_what_was_applied_and_read_back_is_not_edited(
    kube: AioKubeClient, deployed: ApiServer, namespace: str, make: Callable[[], RunRecord]
) -> None:
    objects = all_objects(in_namespace(make(), namespace))

    for _ in ("first", "again"):
        for body in objects:
            await kube.apply(body)
        assert await edits_of(kube, objects) == []
    for body in objects:
        place = (body["kind"], body["metadata"]["name"], "-n", namespace)
        deployed.kubectl("annotate", *place, "note=mine")
        deployed.kubectl("label", *place, "team=mine")

    assert await edits_of(kube, objects) == []


TASKMANAGERS = "deployment/orders-tm-1"
JOBMANAGER = "deployment/orders-jm-1"
SERVICE = "service/orders-jm-1"
IMAGE = f"spec.template.spec.containers[{MAIN}].image"
CPU = f"spec.template.spec.containers[{MAIN}].resources.limits.cpu"
RENAMED = '[{"op":"replace","path":"/spec/template/spec/containers/0/name","value":"mine"}]'
ANOTHER_PORT = '[{"op":"replace","path":"/spec/ports/0/port","value":1}]'

EDITS: dict[tuple[str, ...], list[tuple[str, str]]] = {
    # Kubernetes names nobody for what goes through the subresource `scale`.
    ("scale", TASKMANAGERS, "--replicas=0"): [("spec.replicas", "")],
    ("set", "image", JOBMANAGER, f"{MAIN}=flink:1.20"): [(IMAGE, "kubectl-set")],
    ("set", "resources", TASKMANAGERS, "--limits=cpu=3"): [(CPU, "kubectl-set")],
    ("set", "selector", SERVICE, "app=mine"): [("spec.selector", "kubectl-set")],
    ("label", TASKMANAGERS, "streamjob.dev/run-"): [("metadata.labels[streamjob.dev/run]", "")],
    ("label", SERVICE, "streamjob.dev/run=7", "--overwrite"): [
        ("metadata.labels[streamjob.dev/run]", "kubectl-label")
    ],
    ("patch", TASKMANAGERS, "--type=merge", '-p={"metadata":{"ownerReferences":null}}'): [
        ("metadata.ownerReferences", "")
    ],
    ("patch", SERVICE, "--type=json", '-p=[{"op":"remove","path":"/spec/ports/0"}]'): [
        ("spec.ports[rest]", "")
    ],
    ("patch", SERVICE, "--type=json", f"-p={ANOTHER_PORT}"): [("spec.ports[rest].port", "")],
    ("patch", JOBMANAGER, "--type=json", f"-p={RENAMED}"): [
        (f"spec.template.spec.containers[{MAIN}]", "")
    ],
    ("patch", SERVICE, "--type=merge", '-p={"spec":{"publishNotReadyAddresses":false}}'): [
        ("spec.publishNotReadyAddresses", "")
    ],
}


@pytest.mark.parametrize("command", EDITS, ids=lambda command: " ".join(command)[:60])
async def test_what_kubectl_edits_is_told_and_put_back(
    kube: AioKubeClient, deployed: ApiServer, namespace: str, command: tuple[str, ...]
) -> None:
    run = in_namespace(records.sql_minimal(), namespace)
    config_map = run_config_map(run, owner_reference(run.job))
    for body in (config_map, *run_objects(run, owner_reference(run.job))):
        await kube.apply(body)
    before = await children(kube, namespace)

    deployed.kubectl(*command, "-n", namespace)

    found = await children(kube, namespace)
    (edit,) = edits_seen(config_map, found)
    assert [(field.path, field.manager) for field in edit.fields] == EDITS[command]
    world = World(Settings(), kube, FakeFlink(SystemClock(), Calls()))
    await act(world, run.job, PutBack(run.run, (edit,)))
    after = await children(kube, namespace)
    assert edits_seen(config_map, after) == ()
    assert [content(body) for body in every(after)] == [content(body) for body in every(before)]
    touched = [versions(a) != versions(b) for a, b in zip(every(found), every(after), strict=True)]
    assert touched.count(True) == 1, "nothing but what was edited"


async def children(kube: AioKubeClient, namespace: str) -> dict[kinds.Kind, list[Body]]:
    """The Service and the Deployments, also those that have lost their labels."""
    found = {}
    for kind, names in (
        (kinds.DEPLOYMENT, ("orders-jm-1", "orders-tm-1")),
        (kinds.SERVICE, ("orders-jm-1",)),
    ):
        found[kind] = [await kube.get(kind, namespace, name) for name in names]
    return found


def every(found: dict[kinds.Kind, list[Body]]) -> list[Body]:
    return [body for bodies in found.values() for body in bodies]


def content(body: Body) -> Body:
    about = body["metadata"]
    return {"spec": body["spec"], **{key: about.get(key) for key in ("labels", "ownerReferences")}}


def versions(body: Body) -> str:
    return str(body["metadata"]["resourceVersion"])


async def test_an_edit_that_was_taken_back_is_none(
    kube: AioKubeClient, deployed: ApiServer, namespace: str
) -> None:
    run = in_namespace(records.sql_minimal(), namespace)
    objects = list(run_objects(run, owner_reference(run.job)))
    for body in objects:
        await kube.apply(body)

    for replicas in (0, 1):
        deployed.kubectl("scale", TASKMANAGERS, f"--replicas={replicas}", "-n", namespace)

    assert await edits_of(kube, objects) == []


@pytest.mark.failure(
    what="A child object is edited by hand",
    shown="Running within 5 seconds, event `PutBack` with the fields",
    kept="the same run; the other objects as they are",
)
async def test_the_operator_hears_of_an_edit_and_puts_it_back(
    cluster: Live, deployed: ApiServer
) -> None:
    everybody = cluster.administrator

    async def child(kind: kinds.Kind, name: str) -> Body:
        return await everybody.get(kind, cluster.namespace, name)

    async with cluster.operator():
        await cluster.create(NAME)
        await cluster.state(NAME, "Running")
        untouched = await child(kinds.DEPLOYMENT, "orders-jm-1")
        deployed.kubectl("scale", TASKMANAGERS, "--replicas=0", "-n", cluster.namespace)
        deployed.kubectl("set", "selector", SERVICE, "app=mine", "-n", cluster.namespace)
        change = '-p={"metadata":{"ownerReferences":null}}'
        deployed.kubectl("patch", TASKMANAGERS, "--type=merge", change, "-n", cluster.namespace)

        async def is_whole() -> bool:
            taskmanagers = await child(kinds.DEPLOYMENT, "orders-tm-1")
            service = await child(kinds.SERVICE, "orders-jm-1")
            return bool(
                taskmanagers["spec"]["replicas"] == 1
                and taskmanagers["metadata"].get("ownerReferences")
                and "app" not in service["spec"]["selector"]
            )

        await eventually(is_whole, seconds=5)
        await cluster.state(NAME, "Running")

    after = await child(kinds.DEPLOYMENT, "orders-jm-1")
    assert after["metadata"]["generation"] == untouched["metadata"]["generation"]
    assert (await cluster.status(NAME)).run == 1
    events = await everybody.find(EVENT, cluster.namespace, "")
    told = [event["message"] for event in events if event["reason"] == "PutBack"]
    for name, field in (
        ("Deployment orders-tm-1", "replicas"),
        ("Service orders-jm-1", "selector"),
    ):
        assert any(text.startswith(name) and f"spec.{field}" in text for text in told), told
