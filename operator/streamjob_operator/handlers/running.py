"""Running Kopf with this operator's handlers and settings."""

from __future__ import annotations

import asyncio

import kopf

from streamjob_operator.api import constants
from streamjob_operator.handlers.jobs import Jobs
from streamjob_operator.handlers.registry import build_registry
from streamjob_operator.runtime.backoff import EndlessDelays
from streamjob_operator.world import World

_CHILDREN = (
    ("apps", "v1", "deployments"),
    ("", "v1", "services"),
    ("", "v1", "configmaps"),
    ("", "v1", "pods"),
)


class _NoDiff(kopf.DiffBaseStorage):
    """No copy of the last handled spec on the resource: this operator compares with its run's
    record.
    """

    def fetch(self, *, body: kopf.Body) -> kopf.BodyEssence | None:
        return None

    def store(self, *, body: kopf.Body, patch: kopf.Patch, essence: kopf.BodyEssence) -> None:
        return None


def kopf_settings(world: World) -> kopf.OperatorSettings:
    """Kopf's settings, and why they differ from its defaults."""
    settings = kopf.OperatorSettings()
    settings.persistence.finalizer = constants.FINALIZER
    settings.persistence.diffbase_storage = _NoDiff()
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=constants.GROUP)
    # Reading CRDs and namespaces would need rights that nothing else here needs.
    settings.scanning.disabled = True
    # Load balancers cut idle streams; a shorter life of our own makes that a normal end.
    settings.watching.server_timeout = 300
    settings.watching.connect_timeout = 30
    settings.watching.chunk_size = 500
    for kind in _CHILDREN:
        # Without a selector every pod of the cluster would be sent here and thrown away.
        settings.watching.label_selectors[kind] = constants.LABEL_JOB
    settings.networking.request_timeout = world.settings.request_timeout_seconds
    settings.networking.error_backoffs = EndlessDelays()
    settings.posting.reporting_component = constants.FIELD_MANAGER
    settings.process.ultimate_exiting_timeout = 10
    return settings


async def serve(
    world: World,
    *,
    ready: asyncio.Event | None = None,
    stop: asyncio.Event | None = None,
    liveness: bool = True,
) -> None:
    """Look after all StreamJobs until stopped. Raises when a watch has died: the process has to
    end.
    """
    jobs = Jobs(world)
    await kopf.operator(
        registry=build_registry(jobs),
        settings=kopf_settings(world),
        clusterwide=not world.settings.namespaces,
        namespaces=world.settings.namespaces,
        standalone=True,
        liveness_endpoint=world.settings.liveness_endpoint if liveness else None,
        ready_flag=ready,
        stop_flag=stop,
    )
