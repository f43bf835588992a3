"""The Kubernetes API as the operator uses it: a small interface, and its one implementation.

Objects are plain dictionaries. Every call is bounded in time and raises the errors of `errors.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Protocol

import aiohttp
from kubernetes.aio import client as aio
from kubernetes.aio import config

from streamjob_operator.api import constants
from streamjob_operator.errors import (
    Conflict,
    KubernetesError,
    NotFound,
    Rejected,
    Unavailable,
)
from streamjob_operator.kube.kinds import STREAM_JOB, Kind, kind_of

Body = dict[str, Any]

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"
_PAGE: Final = 500
"""Objects per page of a list."""
_ATTEMPTS: Final = 10
"""So often a call is made that the server puts off, as by client-go:
https://github.com/kubernetes/client-go/blob/master/rest/request.go (maxRetries).
"""
_LONGEST_WAIT: Final = 5.0
"""Seconds that a call is put off here; the server itself says 1. What is put off for longer is left
to the caller, who has other things to do meanwhile.
"""


_PUT_OFF: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})
"""With a header Retry-After."""


class KubeClient(Protocol):
    """What the operator asks of the API server."""

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        """One object. Raises NotFound."""
        ...

    async def find(self, kind: Kind, namespace: str, labels: str) -> list[Body]:
        """The objects that carry the labels."""
        ...

    async def apply(self, body: Body) -> Body:
        """Server-side apply: make the object as it is given, or change it to that."""
        ...

    async def merge(self, kind: Kind, namespace: str, name: str, change: Body) -> None:
        """Change these fields and no others; null removes one. Raises NotFound."""
        ...

    async def apply_status(self, body: Body) -> Body:
        """Server-side apply of a status. Raises Conflict when its version has moved on."""
        ...

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        """Remove one object; no error when it is gone already."""
        ...

    async def delete_all(
        self, kind: Kind, namespace: str, labels: str, *, grace_seconds: int | None = None
    ) -> None:
        """Remove all objects that carry the labels, and what they own.

        `grace_seconds`: how long a pod's processes may take to end, if not as long as the pod says.
        """
        ...

    async def create(self, body: Body) -> None:
        """Make an object that must be new, such as an event. Raises Conflict when it is there."""
        ...

    async def replace(self, body: Body) -> Body:
        """Write an object as a whole. Raises Conflict when its version has moved on."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


@dataclass
class _Silence:
    """Since when the API server has given no answer of use."""

    begun: float | None = None

    def note(self, *, answered: bool) -> None:
        """What became of a call."""
        if answered:
            self.begun = None
        elif self.begun is None:
            self.begun = time.monotonic()


class AioKubeClient(KubeClient):
    """The official client's asyncio half, without its generated models."""

    def __init__(
        self,
        api: aio.ApiClient,
        timeout_seconds: float,
        attempts: int = _ATTEMPTS,
        silence: _Silence | None = None,
    ) -> None:
        self._api = api
        self._timeout = timeout_seconds
        self._attempts = attempts
        self._silence = silence or _Silence()

    @classmethod
    async def connect(cls, timeout_seconds: float) -> AioKubeClient:
        """With the pod's own service account, else with the current kube context."""
        try:
            config.load_incluster_config()
        except config.ConfigException:
            await config.load_kube_config()
        return cls(aio.ApiClient(), timeout_seconds)

    def without_retries(self) -> AioKubeClient:
        """On the same connections, for whoever asks again at a pace of their own."""
        return AioKubeClient(self._api, self._timeout, attempts=1, silence=self._silence)

    def silent_for(self) -> float:
        """For how many seconds no call has had an answer of use; 0 when the last one had."""
        begun = self._silence.begun
        return 0 if begun is None else time.monotonic() - begun

    async def close(self) -> None:
        await self._api.close()

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        return await self._call("GET", kind.path(namespace, name))

    async def find(self, kind: Kind, namespace: str, labels: str) -> list[Body]:
        found: list[Body] = []
        query: list[tuple[str, str]] = [("labelSelector", labels), ("limit", str(_PAGE))]
        while True:
            page = await self._call("GET", kind.path(namespace), query=list(query))
            found += page.get("items") or []
            more = (page.get("metadata") or {}).get("continue")
            if not more:
                return found
            query = [*query[:2], ("continue", more)]

    async def apply(self, body: Body) -> Body:
        kind = kind_of(body)
        meta = body["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"])
        return await self._apply(path, body)

    async def apply_status(self, body: Body) -> Body:
        meta = body["metadata"]
        return await self._apply(STREAM_JOB.path(meta["namespace"], meta["name"]) + "/status", body)

    async def merge(self, kind: Kind, namespace: str, name: str, change: Body) -> None:
        await self._call("PATCH", kind.path(namespace, name), body=change, content_type=_MERGE)

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        options = {"propagationPolicy": "Background"}
        try:
            await self._call("DELETE", kind.path(namespace, name), body=options)
        except NotFound:
            return

    async def delete_all(
        self, kind: Kind, namespace: str, labels: str, *, grace_seconds: int | None = None
    ) -> None:
        options: Body = {"propagationPolicy": "Background"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        await self._call(
            "DELETE", kind.path(namespace), query=[("labelSelector", labels)], body=options
        )

    async def create(self, body: Body) -> None:
        await self._call("POST", kind_of(body).path(body["metadata"]["namespace"]), body=body)

    async def replace(self, body: Body) -> Body:
        meta = body["metadata"]
        path = kind_of(body).path(meta["namespace"], meta["name"])
        return await self._call("PUT", path, body=body)

    async def _apply(self, path: str, body: Body) -> Body:
        query = [("fieldManager", constants.FIELD_MANAGER), ("force", "true")]
        return await self._call("PATCH", path, query=query, body=body, content_type=_APPLY)

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
    ) -> Body:
        headers = {"Accept": "application/json", "Content-Type": content_type}
        request = {"query_params": query or [], "header_params": headers, "body": body}
        for left in reversed(range(self._attempts)):
            status, wait, content = await self._exchange(method, path, request)
            if wait is None or not left:
                break
            await asyncio.sleep(wait * random.uniform(1, 1.25))  # noqa: S311 - spreads calls out
        if status >= 400:  # noqa: PLR2004 - HTTP's border between yes and no
            raise _error_of(f"{method} {path}", status, content)
        answer = json.loads(content)
        return answer if isinstance(answer, dict) else {}

    async def _exchange(
        self, method: str, path: str, request: dict[str, Any]
    ) -> tuple[int, float | None, bytes]:
        """Status, seconds after which the server wants to be asked again, and content."""
        try:
            prepared = await self._api.param_serialize(
                method, path, auth_settings=["BearerToken"], **request
            )
            response = await self._api.call_api(*prepared, _request_timeout=self._timeout)
            content = await response.read()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            self._silence.note(answered=False)
            cause = str(error) or type(error).__name__
            asked = f"{method} {path}"
            raise Unavailable(f"{asked}: no answer from the API server: {cause}") from error
        self._silence.note(answered=response.status < HTTPStatus.INTERNAL_SERVER_ERROR)
        return response.status, _put_off(response.status, response.getheaders()), content


def _put_off(status: int, headers: Mapping[str, str]) -> float | None:
    """A call that is put off was not carried out, whatever it was: it may be made again."""
    asked = headers.get("Retry-After", "")
    if status not in _PUT_OFF or not asked.isdecimal():
        return None
    seconds = float(asked)
    return seconds if seconds <= _LONGEST_WAIT else None


def _error_of(asked: str, status: int, content: bytes) -> KubernetesError:
    try:
        answer = json.loads(content)
        message = str(answer.get("message") or "")
        causes = (answer.get("details") or {}).get("causes") or []
    except (ValueError, AttributeError):
        message, causes = content.decode(errors="replace")[:200], []
    text = f"{asked}: {message or status}"
    if any(cause.get("field") == "metadata.uid" for cause in causes):
        # An object that was made anew in between: server-side apply calls that invalid.
        return Conflict(text)
    if status == 404:  # noqa: PLR2004
        return NotFound(text)
    if status == 409:  # noqa: PLR2004
        return Conflict(text)
    if status in {400, 403, 405, 413, 415, 422}:
        return Rejected(message or text)
    return Unavailable(text)
