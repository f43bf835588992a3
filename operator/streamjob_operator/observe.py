"""Look at one StreamJob: its resource, its objects in the cluster, its Flink."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from pydantic import ValidationError

from streamjob_operator.api import constants
from streamjob_operator.api.run import JobRef, RunSpec, flink_job_id_of, high_availability_selector
from streamjob_operator.api.spec import StreamJobSpec, Wish
from streamjob_operator.api.status import Phase, StreamJobStatus
from streamjob_operator.builders.run import record_of
from streamjob_operator.decide.edited import still_known
from streamjob_operator.decide.observed import (
    FlinkSeen,
    HighAvailabilitySeen,
    InspectorSeen,
    Observed,
    PodSeen,
    PutBackTried,
    RunSeen,
)
from streamjob_operator.decide.resolve import resolve
from streamjob_operator.errors import InvalidSpec, KubernetesError, NotFound, Unavailable
from streamjob_operator.kube import kinds
from streamjob_operator.kube.ownership import is_applied_by
from streamjob_operator.observe_edits import edits_seen
from streamjob_operator.observe_flink import observe_flink
from streamjob_operator.observe_inspection import inspection_seen
from streamjob_operator.observe_pods import is_live, pod_seen, run_number
from streamjob_operator.world import World

CHILDREN_TRUSTED: Final = timedelta(minutes=10)
"""Deployments, Services and ConfigMaps are read again at least this often (contract, section 8)."""
CHILDREN_TRUSTED_IN_OPERATION: Final = timedelta(seconds=5)

_RUNS_WITH_LEFTOVERS: Final = 3
"""So many runs back: no run starts before the leftovers of the last one are gone."""


@dataclass(frozen=True)
class Children:
    """The objects of a job other than its pods, as read at one time."""

    runs: dict[int, RunSeen]
    high_availability: tuple[HighAvailabilitySeen, ...]
    read_at: datetime


@dataclass
class Memory:
    """What the operator keeps of a job between two looks. Nothing in it is needed to be right."""

    children: Children | None = None
    """Trusted until a watch says that something changed, or for some minutes."""
    trouble: str = ""
    """What was refused when the last plan was carried out; the next decision sees it once."""
    own_versions: set[str] = field(default_factory=set)
    """Versions of the resource that the operator itself wrote: news of them are no news."""
    nameless_since: datetime | None = None
    """Since when the JobManager has answered without knowing the job."""
    unnamed_since: datetime | None = None
    """Since when no JobManager has named the job, while a run is open."""
    put_backs: dict[str, PutBackTried] = field(default_factory=dict)
    """What was edited by hand and put back, so that it never becomes a fight."""
    unexplained_since: datetime | None = None
    """Since when the job has been FAILED and Flink has named no cause."""
    flink_look: tuple[object, ...] | None = None
    """Flink's short answer at the last look; a different one means that something happened."""


@dataclass(frozen=True)
class Look:
    """One look: what a decision needs, and what recording it needs."""

    observed: Observed
    version: str
    """The resource's version that was read: a write on top of another one is refused."""


async def observe(world: World, namespace: str, name: str, memory: Memory) -> Look | None:
    """Everything that is known of the job right now; None when the resource is gone.

    Raises KubernetesError when the API server can't be asked.
    """
    try:
        body = await world.kube.get(kinds.STREAM_JOB, namespace, name)
    except NotFound:
        return None
    meta = body["metadata"]
    job = JobRef(name=name, namespace=namespace, uid=meta["uid"])
    status = StreamJobStatus.model_validate(body.get("status") or {})
    spec, run_spec, problem = await _spec(world, job, body.get("spec") or {})
    pods, inspectors = await _pods(world, job)
    children = await _children(world, job, status, memory)
    flink = await _flink(world, job, status, pods)
    flink = _with_history(flink, status, memory, world.now())
    memory.flink_look = flink_look(flink)
    region, zone = await _place(world, pods, status.run)
    trouble, memory.trouble = memory.trouble, ""
    observed = Observed(
        job=job,
        generation=meta.get("generation", 1),
        wish=Wish((body.get("spec") or {}).get("desiredState", Wish.RUNNING)),
        status=status,
        spec=spec,
        run_spec=run_spec,
        spec_problem=problem,
        deleting="deletionTimestamp" in meta,
        pods=pods,
        inspectors=inspectors,
        runs=children.runs,
        high_availability=children.high_availability,
        flink=flink,
        region=region,
        zone=zone,
        trouble=trouble,
        put_backs=still_known(memory.put_backs, world.now()),
    )
    return Look(observed, meta["resourceVersion"])


def flink_look(flink: FlinkSeen) -> tuple[object, ...] | None:
    """The part of Flink's short answer whose change means that something happened."""
    job = flink.job
    if not flink.reachable or job is None:
        return None
    return (
        job.state,
        job.tasks_running,
        job.tasks_finished,
        job.tasks_total,
        job.last_modification,
    )


def _with_history(
    flink: FlinkSeen, status: StreamJobStatus, memory: Memory, now: datetime
) -> FlinkSeen:
    """Since when it has been as it is."""
    nameless = flink.reachable and flink.job is None and flink.application != "RUNNING"
    open_run = bool(status.run) and status.stop_time is None
    unnamed = open_run and (not flink.reachable or flink.job is None)
    memory.nameless_since = (memory.nameless_since or now) if nameless else None
    unexplained = flink.job is not None and flink.job.state == "FAILED" and flink.failure is None
    memory.unnamed_since = (memory.unnamed_since or now) if unnamed else None
    memory.unexplained_since = (memory.unexplained_since or now) if unexplained else None
    return replace(
        flink,
        nameless_since=memory.nameless_since,
        unnamed_since=memory.unnamed_since,
        unexplained_since=memory.unexplained_since,
    )


async def _spec(
    world: World, job: JobRef, raw: dict[str, Any]
) -> tuple[StreamJobSpec, RunSpec | None, str]:
    """The declared spec, what a run of it is made from, and why that can't be."""
    try:
        spec = StreamJobSpec.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return StreamJobSpec(), None, f"spec.{where}: {first['msg']}"
    try:
        script = await _script(world, job, spec)
        return spec, resolve(spec, script, world.settings), ""
    except InvalidSpec as refusal:
        return spec, None, str(refusal)


async def _script(world: World, job: JobRef, spec: StreamJobSpec) -> str | None:
    if spec.sql is None or spec.sql.script_from is None:
        return spec.sql.script if spec.sql is not None else None
    reference = spec.sql.script_from.config_map_key_ref
    try:
        config_map = await world.kube.get(kinds.CONFIG_MAP, job.namespace, reference.name)
    except NotFound as error:
        raise InvalidSpec(
            f"the ConfigMap {reference.name} that spec.sql.scriptFrom names does not exist "
            f"in namespace {job.namespace}: make it"
        ) from error
    text = (config_map.get("data") or {}).get(reference.key)
    if text is None:
        raise InvalidSpec(
            f"the ConfigMap {reference.name} has no key {reference.key}, "
            "which spec.sql.scriptFrom names: add it"
        )
    return str(text)


async def _pods(world: World, job: JobRef) -> tuple[tuple[PodSeen, ...], tuple[InspectorSeen, ...]]:
    """Flink's pods that live, and the pods that look into the job's storage, ended ones too."""
    selector = f"{constants.LABEL_JOB}={job.name}"
    found = await world.kube.find(kinds.POD, job.namespace, selector)
    seen = [(pod_seen(pod), pod) for pod in found]
    flinks = tuple(it for it, pod in seen if not it.is_inspector and is_live(pod))
    inspectors = (InspectorSeen(it, inspection_seen(pod)) for it, pod in seen if it.is_inspector)
    return flinks, tuple(inspectors)


async def _children(world: World, job: JobRef, status: StreamJobStatus, memory: Memory) -> Children:
    busy = status.operation is not None and status.operation.phase is not None
    trusted = CHILDREN_TRUSTED_IN_OPERATION if busy else CHILDREN_TRUSTED
    known = memory.children
    if known is not None and world.now() - known.read_at < trusted:
        return known
    selector = f"{constants.LABEL_JOB}={job.name}"
    runs: dict[int, dict[str, Any]] = {}

    def note(body: dict[str, Any], **what: Any) -> None:
        if _is_ours(body, job, status.run):
            runs.setdefault(run_number(body), {}).update(what)

    deployments = await world.kube.find(kinds.DEPLOYMENT, job.namespace, selector)
    for body in deployments:
        component = body["metadata"]["labels"].get(constants.LABEL_COMPONENT)
        is_jobmanager = component == constants.JOBMANAGER
        note(body, **{"jobmanager" if is_jobmanager else "taskmanagers": True})
    services = await world.kube.find(kinds.SERVICE, job.namespace, selector)
    for body in services:
        note(body, service=True)
    kept = None
    for body in await world.kube.find(kinds.CONFIG_MAP, job.namespace, selector):
        note(body, config_map=True, **_record(body))
        kept = body if run_number(body) == status.run else kept
    if status.run in runs:
        found = {kinds.DEPLOYMENT: deployments, kinds.SERVICE: services}
        runs[status.run]["edits"] = edits_seen(kept, found)
    flinks = await _high_availability(world, job, status.run or 0)
    children = Children(
        runs={number: RunSeen(number, **what) for number, what in runs.items()},
        high_availability=flinks,
        read_at=world.now(),
    )
    memory.children = children
    return children


async def _high_availability(
    world: World, job: JobRef, newest: int
) -> tuple[HighAvailabilitySeen, ...]:
    """The ConfigMaps that Flink's HA made for the last runs; nobody owns them."""
    runs = range(max(newest - _RUNS_WITH_LEFTOVERS, 0) + 1, newest + 1)
    if not runs:
        return ()
    selector = high_availability_selector(job.uid, runs)
    found = await world.kube.find(kinds.CONFIG_MAP, job.namespace, selector)
    return tuple(_high_availability_seen(body["metadata"]) for body in found)


def _high_availability_seen(meta: dict[str, Any]) -> HighAvailabilitySeen:
    return HighAvailabilitySeen(
        name=meta["name"],
        run=int(meta["labels"]["app"].rsplit("-", 1)[-1]),
        protected=constants.HIGH_AVAILABILITY_FINALIZER in (meta.get("finalizers") or []),
        deleting="deletionTimestamp" in meta,
    )


def _is_ours(body: dict[str, Any], job: JobRef, run: int | None) -> bool:
    """Owned by the job, or of its current run and made by the operator, with no owner any more."""
    owners = body["metadata"].get("ownerReferences") or []
    if not owners:
        return run_number(body) == run and is_applied_by(body, constants.FIELD_MANAGER)
    return any(owner.get("uid") == job.uid for owner in owners)


def _record(config_map: dict[str, Any]) -> dict[str, Any]:
    try:
        return {"record": record_of(config_map)}
    except (InvalidSpec, ValueError, KeyError) as error:
        name = config_map["metadata"]["name"]
        return {
            "record_problem": f"the run's record {name} is not what the operator wrote: {error}"
        }


async def _flink(
    world: World, job: JobRef, status: StreamJobStatus, pods: tuple[PodSeen, ...]
) -> FlinkSeen:
    run = status.run or 0
    if not run or status.stop_time is not None:
        return FlinkSeen(problem="no run is open")
    mine = [pod for pod in pods if pod.is_jobmanager and pod.run == run]
    if not any(pod.running for pod in mine):
        return FlinkSeen(problem="no JobManager pod is running")
    operation = status.operation
    return await observe_flink(
        world.flink,
        world.address(job.name, job.namespace, run),
        flink_job_id_of(job.uid, run),
        trigger_id=operation.trigger_id if operation is not None else None,
        starting=operation is not None and operation.phase is Phase.STARTING,
        version=status.flink.version if status.flink is not None else None,
    )


async def _place(
    world: World, pods: tuple[PodSeen, ...], run: int | None
) -> tuple[str | None, str | None]:
    """Region and zone of the JobManager's node; empty where nodes may not be read."""
    node = next((pod.node for pod in pods if pod.is_jobmanager and pod.run == run), None)
    if node is None:
        return None, None
    if node not in world.nodes:
        try:
            labels = (await world.kube.get(kinds.NODE, None, node))["metadata"].get("labels") or {}
        except Unavailable:
            return None, None
        except KubernetesError:
            labels = {}
        world.nodes[node] = (
            labels.get(constants.REGION_LABEL),
            labels.get(constants.ZONE_LABEL),
        )
    return world.nodes[node]
