"""An API server in memory: as much of Kubernetes as the operator leans on."""

from __future__ import annotations

import itertools
import json
import marshal
import re
import uuid
from datetime import timedelta
from typing import Any, Final, Protocol

from streamjob_operator.api.constants import FIELD_MANAGER
from streamjob_operator.errors import Conflict, NotFound, Rejected
from streamjob_operator.kube import kinds
from streamjob_operator.kube.client import KubeClient
from streamjob_operator.kube.kinds import Kind, kind_of
from streamjob_operator.runtime.clock import Clock
from tests.fakes.calls import Calls

Body = dict[str, Any]
Key = tuple[str, str, str]

_GRACE: Final = timedelta(seconds=30)
_TERM: Final = re.compile(r"([\w./-]+)(?:=([\w.-]*)| in \(([^)]*)\))?(?:,|$)")
_SERVERS: Final = ("uid", "creationTimestamp", "resourceVersion", "generation")
_APPLIED: Final = [
    {"manager": FIELD_MANAGER, "operation": "Apply", "fieldsV1": {"f:kind": {}}},
]
"""Says who has applied an object, and of no field who owns it: it counts what fields hold."""
_KEPT: Final = (*_SERVERS, "deletionTimestamp", "deletionGracePeriodSeconds", "finalizers")


class Cluster(KubeClient, Protocol):
    """An API server, as the operator uses it, and as everybody else in a stage does."""

    @property
    def events(self) -> list[Body]:
        """All events, oldest first."""
        ...

    def select(self, kind: Kind, namespace: str, labels: str = "") -> list[Body]:
        """The objects with these labels."""
        ...

    def read(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """The object, if it is there."""
        ...

    def put(self, body: Body) -> Body:
        """Make an object, or replace it, as somebody else would."""
        ...

    def edit(self, kind: Kind, namespace: str, name: str, **spec: Any) -> None:
        """Change fields of an object's spec; None takes one away."""
        ...

    def set_status(self, kind: Kind, namespace: str, name: str, status: Body) -> None:
        """Replace an object's status."""
        ...

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete, as the API does: what has finalizers or runs on a node stays for a while."""
        ...

    def vanish(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Gone at once."""
        ...


class FakeKube(Cluster):
    """The operator's methods are counted in `calls`; the world's own (`put`, `edit` …) are not.

    Objects are replaced, never changed in place; the operator gets copies all the same.
    """

    def __init__(self, clock: Clock, calls: Calls) -> None:
        self.objects: dict[Key, Body] = {}
        self._events: list[Body] = []
        self._clock = clock
        self._calls = calls
        self._versions = itertools.count(1)

    # What the operator calls.

    async def get(self, kind: Kind, namespace: str | None, name: str) -> Body:
        with self._calls.call("kube", "get", f"{kind.name} {name}"):
            return _copy(self._at(_key(kind, namespace, name)))

    async def find(self, kind: Kind, namespace: str, labels: str) -> list[Body]:
        with self._calls.call("kube", "find", kind.name):
            return [_copy(body) for body in self.select(kind, namespace, labels)]

    async def apply(self, body: Body) -> Body:
        meta = body["metadata"]
        with self._calls.call("kube", "apply", f"{body['kind']} {meta['name']}"):
            return _copy(self._apply(body | {"metadata": meta | {"managedFields": _APPLIED}}))

    async def merge(self, kind: Kind, namespace: str, name: str, change: Body) -> None:
        with self._calls.call("kube", "merge", f"{kind.name} {name}"):
            current = self._at(_key(kind, namespace, name))
            _check_preconditions(current, change["metadata"])
            merged: Body = _plain(_merged(current, change))
            self._store(merged)
            meta = merged["metadata"]
            if "deletionTimestamp" in meta and not meta.get("finalizers"):
                self.vanish(kind, namespace, name)

    async def apply_status(self, body: Body) -> Body:
        meta = body["metadata"]
        with self._calls.call("kube", "apply_status", f"{body['kind']} {meta['name']}"):
            current = self._at(_key(kind_of(body), meta["namespace"], meta["name"]))
            _check_preconditions(current, meta)
            self._store(current | {"status": _plain(body["status"])})
            return _copy(self._at(_key(kind_of(body), meta["namespace"], meta["name"])))

    async def delete(self, kind: Kind, namespace: str, name: str) -> None:
        with self._calls.call("kube", "delete", f"{kind.name} {name}"):
            self.remove(kind, namespace, name)

    async def delete_all(
        self, kind: Kind, namespace: str, labels: str, *, grace_seconds: int | None = None
    ) -> None:
        del grace_seconds
        with self._calls.call("kube", "delete_all", kind.name):
            for body in self.select(kind, namespace, labels):
                self.remove(kind, namespace, body["metadata"]["name"])

    async def create(self, body: Body) -> None:
        meta = body["metadata"]
        what = body.get("reason") or meta.get("name", "")
        with self._calls.call("kube", "create", f"{body['kind']} {what}"):
            if body["kind"] == "Event":
                self._events.append(_plain(body))
                return
            if self.read(kind_of(body), meta["namespace"], meta["name"]) is not None:
                raise Conflict(f"{body['kind']} {meta['name']} already exists")
            self._apply(body)

    async def close(self) -> None:
        return None

    # What users, kubelets and controllers do.

    @property
    def events(self) -> list[Body]:
        """All events, oldest first."""
        return self._events

    def select(self, kind: Kind, namespace: str, labels: str = "") -> list[Body]:
        """The objects with these labels."""
        return [
            body
            for (name, place, _), body in self.objects.items()
            if name == kind.name and place == namespace and selected(body, labels)
        ]

    def read(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        """The object, if it is there."""
        return self.objects.get(_key(kind, namespace, name))

    def put(self, body: Body) -> Body:
        """Make an object, or replace it, as somebody else would."""
        return self._apply(body)

    def edit(self, kind: Kind, namespace: str, name: str, **spec: Any) -> None:
        """Change fields of an object's spec; None takes one away."""
        current = self._at(_key(kind, namespace, name))
        merged = current["spec"] | spec
        merged = {field: value for field, value in merged.items() if value is not None}
        self._store(current | {"spec": _plain(merged)})

    def set_status(self, kind: Kind, namespace: str, name: str, status: Body) -> None:
        """Replace an object's status."""
        self._store(self._at(_key(kind, namespace, name)) | {"status": _plain(status)})

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        """Delete, as the API does: what has finalizers or runs on a node stays for a while."""
        body = self.objects.get(_key(kind, namespace, name))
        if body is None:
            return
        meta = body["metadata"]
        on_a_node = kind is kinds.POD and body["spec"].get("nodeName")
        if not meta.get("finalizers") and not on_a_node:
            self.vanish(kind, namespace, name)
        elif "deletionTimestamp" not in meta:
            grace = _GRACE if on_a_node else timedelta(0)
            deadline = f"{self._clock.now() + grace:%Y-%m-%dT%H:%M:%SZ}"
            asked = {
                "deletionTimestamp": deadline,
                "deletionGracePeriodSeconds": int(grace.total_seconds()),
            }
            self._store(body | {"metadata": meta | asked})

    def release(self, kind: Kind, namespace: str, name: str) -> None:
        """Take the finalizers away; an object that was to be deleted is gone then."""
        body = self._at(_key(kind, namespace, name))
        meta = {field: value for field, value in body["metadata"].items() if field != "finalizers"}
        self._store(body | {"metadata": meta})
        if "deletionTimestamp" in meta:
            self.vanish(kind, namespace, name)

    def vanish(self, kind: Kind, namespace: str | None, name: str) -> None:
        """Gone at once, and so is what it owns."""
        body = self.objects.pop(_key(kind, namespace, name), None)
        if body is None:
            return
        uid = body["metadata"]["uid"]
        for owned in list(self.objects.values()):
            owners = owned["metadata"].get("ownerReferences") or []
            if any(owner["uid"] == uid for owner in owners):
                meta = owned["metadata"]
                self.remove(kind_of(owned), meta["namespace"], meta["name"])

    def _at(self, key: Key) -> Body:
        if key not in self.objects:
            raise NotFound(f"{key[0]} {key[2]} not found")
        return self.objects[key]

    def _apply(self, body: Body) -> Body:
        """Server-side apply with one manager: what is no longer given is taken away."""
        body = _plain(body)
        kind, meta = kind_of(body), body["metadata"]
        key = _key(kind, meta.get("namespace"), meta["name"])
        current = self.objects.get(key)
        if current is None:
            if "resourceVersion" in meta:
                raise Conflict(f"{kind.name} {meta['name']} is not there")
            born = f"{self._clock.now():%Y-%m-%dT%H:%M:%SZ}"
            made = {"uid": str(uuid.uuid4()), "creationTimestamp": born, "generation": 0}
            return self._store(body | {"metadata": meta | made})
        _check_preconditions(current, meta)
        _check_immutable(current, body)
        kept = {
            field: current["metadata"][field] for field in _KEPT if field in current["metadata"]
        }
        status = {"status": current["status"]} if "status" in current else {}
        return self._store(body | {"metadata": meta | kept} | status)

    def _store(self, body: Body) -> Body:
        kind, meta = kind_of(body), body["metadata"]
        key = _key(kind, meta.get("namespace"), meta["name"])
        current = self.objects.get(key)
        if current == body:
            return body
        generation = meta.get("generation", 0)
        if current is None or current.get("spec") != body.get("spec"):
            generation += 1
        changes = {"generation": generation, "resourceVersion": str(next(self._versions))}
        self.objects[key] = body | {"metadata": meta | changes}
        return self.objects[key]


def _key(kind: Kind, namespace: str | None, name: str) -> Key:
    return (kind.name, (namespace or "") if kind.namespaced else "", name)


def _copy(body: Body) -> Body:
    """Of plain JSON values; much faster than `copy.deepcopy`."""
    copied: Body = marshal.loads(marshal.dumps(body))
    return copied


def _plain(value: Any) -> Any:
    """As it comes back over the wire: a copy, JSON through and through."""
    return json.loads(json.dumps(value))


def _merged(current: Any, change: Any) -> Any:
    """JSON merge patch: maps field by field, all else as a whole, null takes a field away."""
    if not isinstance(change, dict):
        return change
    below = current if isinstance(current, dict) else {}
    merged = below | {name: _merged(below.get(name), value) for name, value in change.items()}
    return {name: value for name, value in merged.items() if value is not None}


def selected(body: Body, selector: str) -> bool:
    """Terms as the operator writes them: `name`, `name=value`, `name in (value,value)`."""
    labels = body["metadata"].get("labels") or {}
    for name, value, values in _TERM.findall(selector):
        wanted = values.split(",") if values else [value] if value else [labels.get(name)]
        if name not in labels or labels[name] not in wanted:
            return False
    return True


def _check_preconditions(current: Body, meta: Body) -> None:
    for field in ("uid", "resourceVersion"):
        if field in meta and meta[field] != current["metadata"][field]:
            raise Conflict(f"the object has been modified: its {field} is another one")


def _check_immutable(current: Body, body: Body) -> None:
    if current.get("immutable") and current.get("data") != body.get("data"):
        raise Rejected("ConfigMap is invalid: data: Forbidden: field is immutable when set")
