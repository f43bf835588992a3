"""Kopf's handlers: arguments in, one call out."""

from __future__ import annotations

import random
from typing import Any

import kopf

from streamjob_operator.api import constants
from streamjob_operator.handlers.jobs import Jobs
from streamjob_operator.handlers.session import log_in
from streamjob_operator.runtime.waiting import StopFlag

_SPREAD_SECONDS = 2
"""Jobs that exist when the operator starts are first looked at within this time."""


def build_registry(jobs: Jobs) -> kopf.OperatorRegistry:
    """All handlers, for one operator; nothing registers at import time."""
    registry = kopf.OperatorRegistry()
    resource = (constants.GROUP, constants.VERSION, constants.PLURAL)

    kopf.on.login(registry=registry)(log_in)

    @kopf.daemon(
        *resource,
        registry=registry,
        cancellation_polling=2,
        cancellation_backoff=5,
        cancellation_timeout=10,
        initial_delay=_first_look,
    )
    async def follow(
        namespace: str | None, name: str, uid: str, stopped: StopFlag, **_: Any
    ) -> None:
        await jobs.follow(namespace or "", name, uid, stopped)

    @kopf.on.delete(*resource, registry=registry, backoff=5)
    async def finalize(namespace: str | None, name: str, **_: Any) -> None:
        await jobs.dismantle(namespace or "", name)

    @kopf.on.event(*resource, registry=registry)
    async def changed(namespace: str | None, name: str, meta: kopf.Meta, **_: Any) -> None:
        jobs.heard_of(namespace or "", name, str(meta.get("resourceVersion")))

    for kind, is_pod in (
        (("apps", "v1", "deployments"), False),
        (("", "v1", "services"), False),
        (("", "v1", "configmaps"), False),
        (("", "v1", "pods"), True),
    ):
        _on_child(registry, jobs, kind, is_pod=is_pod)
    return registry


def _on_child(
    registry: kopf.OperatorRegistry, jobs: Jobs, kind: tuple[str, str, str], *, is_pod: bool
) -> None:
    @kopf.on.event(
        *kind, registry=registry, labels={constants.LABEL_JOB: kopf.PRESENT}, id=f"child-{kind[2]}"
    )
    async def child(namespace: str | None, meta: kopf.Meta, **_: Any) -> None:
        name = str(meta.labels.get(constants.LABEL_JOB))
        jobs.heard_of_child(namespace or "", name, is_pod=is_pod)


def _first_look(body: kopf.Body, **_: Any) -> float:
    """A new resource at once; those found at the start are spread out."""
    is_new = not body.get("status")
    return 0 if is_new else random.uniform(0, _SPREAD_SECONDS)  # noqa: S311 - no secret
