"""Write status. The only place that does."""

from __future__ import annotations

from streamjob_operator.api import constants
from streamjob_operator.api.run import JobRef
from streamjob_operator.api.status import StreamJobStatus
from streamjob_operator.world import World


async def record(
    world: World, job: JobRef, version: str, before: StreamJobStatus, status: StreamJobStatus
) -> str | None:
    """Write the status if it differs from the one that was read; returns the new version.

    Raises Conflict when the resource is not the one that was read any more: then what was decided
    is stale, and must not be done.
    """
    if status.to_wire() == before.to_wire():
        return None
    written = await world.kube.apply_status(
        {
            "apiVersion": constants.API_VERSION,
            "kind": constants.KIND,
            "metadata": {
                "name": job.name,
                "namespace": job.namespace,
                "uid": job.uid,
                "resourceVersion": version,
            },
            "status": status.to_wire(),
        }
    )
    return str(written["metadata"]["resourceVersion"])
