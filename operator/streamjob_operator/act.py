"""Carry out a plan's actions. Each is idempotent: after a crash the same decision does it again."""

from __future__ import annotations

from typing import Any

from streamjob_operator.api import constants
from streamjob_operator.api.run import JobRef, RunRecord, flink_job_id_of
from streamjob_operator.builders.metadata import owner_reference
from streamjob_operator.builders.run import job_objects, run_config_map, run_objects
from streamjob_operator.decide.plan import (
    Action,
    CancelJob,
    DisposeSnapshot,
    Event,
    RemoveLeftovers,
    RemovePods,
    RemoveTaskManagers,
    StartRun,
    StopWithSavepoint,
    TakeSavepoint,
)
from streamjob_operator.errors import Foreign, NotFound
from streamjob_operator.kube import kinds
from streamjob_operator.kube.kinds import kind_of
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
        case StopWithSavepoint() | TakeSavepoint():
            await _ask_savepoint(world, job, action)
        case CancelJob(run, flink_job_id):
            await world.flink.cancel(world.address(job.name, job.namespace, run), flink_job_id)
        case RemovePods():
            await _remove_pods(world, job, f"{constants.LABEL_JOB}={job.name}")
        case RemoveTaskManagers(run):
            await _remove_pods(
                world,
                job,
                f"{constants.LABEL_JOB}={job.name},{constants.LABEL_RUN}={run},"
                f"{constants.LABEL_COMPONENT}={constants.TASKMANAGER}",
            )
        case RemoveLeftovers(services, config_maps):
            for name in services:
                await world.kube.delete(kinds.SERVICE, job.namespace, name)
            for name in config_maps:
                await world.kube.delete(kinds.CONFIG_MAP, job.namespace, name)
        case DisposeSnapshot(run, path):
            await world.flink.dispose_savepoint(world.address(job.name, job.namespace, run), path)


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
    await _put(world, record.job, run_config_map(record, owner))
    shared = job_objects(
        record.job,
        owner,
        operator_namespace=world.settings.operator_namespace,
        metrics_namespace=world.settings.metrics_namespace,
    )
    for body in (*shared, *run_objects(record, owner)):
        await _put(world, record.job, body)


async def _put(world: World, job: JobRef, body: dict[str, Any]) -> None:
    """Make the object, or put it back as it was. Raises Foreign where it is not this job's."""
    kind, name = kind_of(body), body["metadata"]["name"]
    try:
        found = await world.kube.get(kind, job.namespace, name)
    except NotFound:
        await world.kube.apply(body)
        return
    # By name: what a deleted StreamJob of this name has left is taken over.
    owners = found["metadata"].get("ownerReferences") or []
    owner = (constants.KIND, job.name)
    if owner not in [(reference["kind"], reference["name"]) for reference in owners]:
        raise Foreign(
            f"the {kind.name} {name} in namespace {job.namespace} is not of this StreamJob and is "
            "left alone: rename or delete it, or give the StreamJob another name"
        )
    # The uid makes sure that what is changed is what was looked at.
    about = body["metadata"] | {"uid": found["metadata"]["uid"]}
    await world.kube.apply(body | {"metadata": about})


async def _ask_savepoint(
    world: World, job: JobRef, action: StopWithSavepoint | TakeSavepoint
) -> None:
    stops = isinstance(action, StopWithSavepoint)
    ask = world.flink.stop_with_savepoint if stops else world.flink.savepoint
    await ask(
        world.address(job.name, job.namespace, action.run),
        flink_job_id_of(job.uid, action.run),
        trigger_id=action.trigger_id,
        target_dir=action.target_dir,
        format=action.format,
    )


async def _remove_pods(world: World, job: JobRef, selector: str) -> None:
    """From the top down, so that nothing is left that would make a pod anew."""
    for kind in (kinds.DEPLOYMENT, kinds.REPLICA_SET):
        await world.kube.delete_all(kind, job.namespace, selector)
    await world.kube.delete_all(kinds.POD, job.namespace, selector, grace_seconds=GRACE_SECONDS)
