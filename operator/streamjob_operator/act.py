"""Carry out a plan's actions. Each is idempotent: after a crash the same decision does it again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from streamjob_operator.api import constants
from streamjob_operator.api.run import (
    JobRef,
    RunRecord,
    flink_job_id_of,
    high_availability_selector,
    run_name,
)
from streamjob_operator.builders.inspector import inspector_pod
from streamjob_operator.builders.metadata import owner_reference
from streamjob_operator.builders.run import (
    job_objects,
    objects_of,
    record_of,
    run_config_map,
)
from streamjob_operator.decide.plan import (
    Action,
    CancelJob,
    DisposeSnapshot,
    Event,
    Inspect,
    ProtectHighAvailability,
    PutBack,
    RemoveLeftovers,
    RemovePods,
    RemoveTaskManagers,
    StartRun,
    StopWithSavepoint,
    TakeSavepoint,
)
from streamjob_operator.errors import Conflict, Foreign, NotFound
from streamjob_operator.kube import kinds
from streamjob_operator.kube.kinds import kind_of
from streamjob_operator.kube.ownership import is_applied_by, lists_as_applied
from streamjob_operator.world import World

GRACE_SECONDS = 1
"""What was to be saved is saved when pods are removed; Flink alone may take seconds to end."""
LONGEST_EVENT = 1024
"""Characters of an event's message that the API server takes."""


async def act(world: World, job: JobRef, action: Action) -> None:
    """Do it. Raises KubernetesError or FlinkError."""
    match action:
        case StartRun(record):
            await _start(world, record)
        case StopWithSavepoint() | TakeSavepoint() | CancelJob() | DisposeSnapshot():
            await _ask_flink(world, job, action)
        case PutBack():
            await _put_back(world, job, action)
        case Inspect(record, number, target_dirs):
            await _inspect(world, inspector_pod(record, owner_reference(job), number, target_dirs))
        case ProtectHighAvailability(run):
            await _protect_high_availability(world, job, run)
        case RemovePods():
            await _remove_pods(world, job, f"{constants.LABEL_JOB}={job.name}")
        case RemoveTaskManagers(run):
            await _remove_pods(
                world,
                job,
                f"{constants.LABEL_JOB}={job.name},{constants.LABEL_RUN}={run},"
                f"{constants.LABEL_COMPONENT}={constants.TASKMANAGER}",
            )
        case RemoveLeftovers():
            await _remove_leftovers(world, job, action)


async def announce(world: World, job: JobRef, event: Event) -> None:
    """Put an event on the StreamJob."""
    now = world.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    await world.kube.create(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"namespace": job.namespace, "generateName": f"{job.name}."},
            "involvedObject": {
                "apiVersion": constants.API_VERSION,
                "kind": constants.KIND,
                "namespace": job.namespace,
                "name": job.name,
                "uid": job.uid,
            },
            "type": event.type,
            "reason": event.reason,
            "message": event.message[:LONGEST_EVENT],
            "source": {"component": constants.FIELD_MANAGER},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
    )


async def _start(world: World, record: RunRecord) -> None:
    """The record first: it is immutable, so a different one of the same name is refused here."""
    owner = owner_reference(record.job)
    objects = await _objects(world, record)
    shared = job_objects(
        record.job,
        owner,
        operator_namespace=world.settings.operator_namespace,
        metrics_namespace=world.settings.metrics_namespace,
    )
    for body in (*shared, *objects):
        await _put(world, record.job, body)


async def _objects(world: World, record: RunRecord) -> tuple[dict[str, Any], ...]:
    """As the run's ConfigMap keeps them; it is made where it is not there yet."""
    with suppress(NotFound, ValueError):
        found = await _config_map(world, record.job, record.run)
        if record_of(found) == record:
            return objects_of(found)
    made = run_config_map(record, owner_reference(record.job))
    await _put(world, record.job, made)
    return objects_of(made)


async def _put_back(world: World, job: JobRef, action: PutBack) -> None:
    """Nothing but what was edited; without a record the next look tells more."""
    edited = {(edit.kind, edit.name): edit.fields for edit in action.edits}
    with suppress(NotFound, ValueError):
        for body in objects_of(await _config_map(world, job, action.run)):
            fields = edited.get((body["kind"], body["metadata"]["name"]), ())
            if fields:
                await _put(world, job, body, lists_as_applied(body, fields))


async def _config_map(world: World, job: JobRef, run: int) -> dict[str, Any]:
    return await world.kube.get(kinds.CONFIG_MAP, job.namespace, run_name(job.name, run))


async def _inspect(world: World, pod: dict[str, Any]) -> None:
    """The same pod again is the one that was made before a crash."""
    with suppress(Conflict):
        await world.kube.create(pod)


async def _put(
    world: World, job: JobRef, body: dict[str, Any], lists: dict[str, Any] | None = None
) -> None:
    """Make the object, or put it back as it was. Raises Foreign where it is not this job's.

    `lists` are those to be replaced as a whole first.
    """
    kind, name = kind_of(body), body["metadata"]["name"]
    try:
        found = await world.kube.get(kind, job.namespace, name)
    except NotFound:
        await world.kube.apply(body)
        return
    # By name: what a deleted StreamJob of this name has left is taken over.
    owners = found["metadata"].get("ownerReferences") or []
    owner = (constants.KIND, job.name)
    # Who takes away the reference to its owner does not make it his.
    lost = not owners and is_applied_by(found, constants.FIELD_MANAGER)
    if not lost and owner not in [(each["kind"], each["name"]) for each in owners]:
        raise Foreign(
            f"the {kind.name} {name} in namespace {job.namespace} is not of this StreamJob and is "
            "left alone: rename or delete it, or give the StreamJob another name"
        )
    # The uid makes sure that what is changed is what was looked at.
    uid = {"uid": found["metadata"]["uid"]}
    if lists:
        await world.kube.merge(kind, job.namespace, name, lists | {"metadata": uid})
    await world.kube.apply(body | {"metadata": body["metadata"] | uid})


async def _ask_flink(
    world: World,
    job: JobRef,
    action: StopWithSavepoint | TakeSavepoint | CancelJob | DisposeSnapshot,
) -> None:
    address = world.address(job.name, job.namespace, action.run)
    match action:
        case StopWithSavepoint() | TakeSavepoint():
            await _ask_savepoint(world, job, action, address)
        case CancelJob():
            await world.flink.cancel(address, action.flink_job_id)
        case DisposeSnapshot():
            await world.flink.dispose_savepoint(address, action.path)


async def _ask_savepoint(
    world: World, job: JobRef, action: StopWithSavepoint | TakeSavepoint, address: str
) -> None:
    stops = isinstance(action, StopWithSavepoint)
    ask = world.flink.stop_with_savepoint if stops else world.flink.savepoint
    await ask(
        address,
        flink_job_id_of(job.uid, action.run),
        trigger_id=action.trigger_id,
        target_dir=action.target_dir,
        format=action.format,
    )


async def _protect_high_availability(world: World, job: JobRef, run: int) -> None:
    selector = high_availability_selector(job.uid, [run])
    for body in await world.kube.find(kinds.CONFIG_MAP, job.namespace, selector):
        if "deletionTimestamp" not in body["metadata"]:
            await _protect(world, body["metadata"])


async def _protect(world: World, meta: dict[str, Any]) -> None:
    """Those of others stay."""
    finalizers, own = meta.get("finalizers") or [], constants.HIGH_AVAILABILITY_FINALIZER
    if own not in finalizers:
        about = {"finalizers": [*finalizers, own]}
        await world.kube.merge(
            kinds.CONFIG_MAP, meta["namespace"], meta["name"], {"metadata": about}
        )


async def _remove_leftovers(world: World, job: JobRef, left: RemoveLeftovers) -> None:
    for name in left.protected:
        with suppress(NotFound):
            released = {"metadata": {"finalizers": None}}
            await world.kube.merge(kinds.CONFIG_MAP, job.namespace, name, released)
    for kind, names in (
        (kinds.POD, left.inspectors),
        (kinds.SERVICE, left.services),
        (kinds.CONFIG_MAP, left.config_maps),
    ):
        for name in names:
            await world.kube.delete(kind, job.namespace, name)


async def _remove_pods(world: World, job: JobRef, selector: str) -> None:
    """From the top down, so that nothing is left that would make a pod anew."""
    for kind in (kinds.DEPLOYMENT, kinds.REPLICA_SET):
        await world.kube.delete_all(kind, job.namespace, selector)
    await world.kube.delete_all(kinds.POD, job.namespace, selector, grace_seconds=GRACE_SECONDS)
