"""A real API server as a stage has it: the operator's calls are counted, all others are not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import urllib3

from streamjob_operator.errors import KubernetesError
from streamjob_operator.flink.rest import FlinkRest
from streamjob_operator.kube import kinds
from streamjob_operator.kube.client import AioKubeClient, Body
from streamjob_operator.kube.kinds import Kind, kind_of
from tests.apiserver.apiserver import ApiServer
from tests.apiserver.crashes.etcd import Etcd
from tests.apiserver.crashes.wire import BadWire, WireAnswer, bad_wire
from tests.fakes.calls import Calls
from tests.fakes.kube import selected
from tests.fakes.live import connect

PATIENCE: Final = timedelta(seconds=30)
IMPATIENCE: Final = timedelta(milliseconds=50)
"""For calls that are never answered: their time runs out for real."""

_MERGE: Final = "application/merge-patch+json"
_APPLY: Final = "application/apply-patch+yaml"
_OWNERS: Final = (kinds.STREAM_JOB, kinds.DEPLOYMENT)
_OWNED: Final = (kinds.DEPLOYMENT, kinds.REPLICA_SET, kinds.POD, kinds.SERVICE, kinds.CONFIG_MAP)

_READS: Final = frozenset({"get", "find"})
_APPLIES: Final = frozenset({"apply", "apply_status"})


@dataclass(frozen=True)
class Lines:
    """The operator's clients: over a good line, and over the bad one."""

    kube: AioKubeClient
    bad_kube: AioKubeClient
    impatient_kube: AioKubeClient
    bad_flink: FlinkRest
    impatient_flink: FlinkRest


class Server:
    """An API server and the ways to it, for one namespace. Stages that are made again share it."""

    def __init__(self, server: ApiServer, namespace: str, wire: BadWire, lines: Lines) -> None:
        self.namespace: Final = namespace
        self.wire: Final = wire
        self.lines: Final = lines
        self.etcd: Final = Etcd(server.etcd)
        self._url = server.url
        self._authorization = {"Authorization": f"Bearer {server.token}"}
        self._http = urllib3.PoolManager(ca_certs=str(server.certificate_authority))

    def ask(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        media: str = "application/json",
        *,
        missing_is_fine: bool = False,
    ) -> Body:
        """One request of everybody but the operator. Raises AssertionError when it is refused."""
        headers = self._authorization | {"Content-Type": media}
        response = self._http.request(method, self._url + path, json=body, headers=headers)
        answer: Body = response.json()
        fine = response.status < 300 or (missing_is_fine and response.status == 404)
        assert fine, f"{method} {path}: {answer}"
        return answer


@asynccontextmanager
async def connected(server: ApiServer, operator: Path, namespace: str) -> AsyncIterator[Server]:
    """The ways to a server; `operator` is the kubeconfig with the operator's rights."""
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(bad_wire())

        async def kube(patience: timedelta, url: str | None = None) -> AioKubeClient:
            seconds = patience.total_seconds()
            made: AioKubeClient = await connect(
                operator, AioKubeClient, url=url, timeout_seconds=seconds
            )
            stack.push_async_callback(made.close)
            return made

        def flink(patience: timedelta) -> FlinkRest:
            made = FlinkRest(patience)
            stack.push_async_callback(made.close)
            return made

        lines = Lines(
            kube=await kube(PATIENCE),
            bad_kube=await kube(PATIENCE, wire.url),
            impatient_kube=await kube(IMPATIENCE, wire.url),
            bad_flink=flink(PATIENCE),
            impatient_flink=flink(IMPATIENCE),
        )
        yield Server(server, namespace, wire, lines)


class ServerKube:
    """The real API server, in the place of the fake one: a `Cluster`.

    Nobody else writes to the namespace, so what was read stays true until the next write: everybody
    but the operator reads each kind once. The operator's own calls all reach the server.
    """

    def __init__(self, server: Server, calls: Calls, answers: dict[int, WireAnswer]) -> None:
        self.meanwhile: dict[int, Callable[[], object]] = {}
        """By number of a call: what somebody else does right before it is carried out."""
        self._server = server
        self._calls = calls
        self._answers = answers
        self._read: dict[str, list[Body]] = {}

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_read": {}}

    def __getattr__(self, verb: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        """What the operator calls: any method of the real client."""
        if verb.startswith("_"):
            raise AttributeError(verb)

        async def call(*about: Any, **options: Any) -> Any:
            kind, what = _subject(verb, *about)
            with self._calls.call("kube", verb, what):
                number = len(self._calls.made)
                if number in self.meanwhile:
                    self.meanwhile.pop(number)()
                known = self._read if verb in _READS else self._read.pop(kind.name, None)
                answer = await self._over_its_line(verb, about, options)
                if verb in _APPLIES and isinstance(known, list):
                    self._read[kind.name] = _with(known, answer)
                return answer

        return call

    async def _over_its_line(
        self, verb: str, about: tuple[Any, ...], options: dict[str, Any]
    ) -> Any:
        lines, wire = self._server.lines, self._server.wire
        answer = self._answers.get(len(self._calls.made))
        if answer is None:
            return await getattr(lines.kube, verb)(*about, **options)
        if answer.carried_out:
            with suppress(KubernetesError):
                await getattr(lines.kube, verb)(*about, **options)
        wire.answer = answer
        bad = lines.impatient_kube if answer.hangs else lines.bad_kube
        await getattr(bad, verb)(*about, **options)
        raise AssertionError(f"no error came of {answer}")

    # What users, kubelets and controllers do.

    @property
    def events(self) -> list[Body]:
        found = self._all(kinds.EVENT, self._server.namespace)
        return sorted(found, key=lambda each: int(each["metadata"]["resourceVersion"]))

    def select(self, kind: Kind, namespace: str, labels: str = "") -> list[Body]:
        return [body for body in self._all(kind, namespace) if selected(body, labels)]

    def read(self, kind: Kind, namespace: str | None, name: str) -> Body | None:
        found = self._all(kind, namespace)
        return next((body for body in found if body["metadata"]["name"] == name), None)

    def put(self, body: Body) -> Body:
        kind, meta = kind_of(body), body["metadata"]
        path = kind.path(meta.get("namespace"), meta["name"])
        return self._change(kind, "PATCH", f"{path}?fieldManager=test&force=true", body, _APPLY)

    def edit(self, kind: Kind, namespace: str, name: str, **spec: Any) -> None:
        self.patch(kind, namespace, name, {"spec": spec})

    def patch(self, kind: Kind, namespace: str, name: str, body: Body) -> None:
        """Change an object as `kubectl patch --type=merge` does."""
        self._change(kind, "PATCH", kind.path(namespace, name), body, _MERGE)

    def set_status(self, kind: Kind, namespace: str, name: str, status: Body) -> None:
        path = kind.path(namespace, name) + "/status"
        self._change(kind, "PATCH", path, {"status": status}, _MERGE)

    def remove(self, kind: Kind, namespace: str, name: str) -> None:
        self._delete(kind, namespace, name, {"propagationPolicy": "Background"})

    def vanish(self, kind: Kind, namespace: str | None, name: str) -> None:
        self._delete(
            kind, namespace, name, {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        )

    def collect_garbage(self, namespace: str) -> bool:
        """Remove what nobody owns any more. Returns whether there was anything."""
        uids = {body["metadata"]["uid"] for kind in _OWNERS for body in self._all(kind, namespace)}
        orphans = [
            (kind, body["metadata"]["name"])
            for kind in _OWNED
            for body in self._all(kind, namespace)
            if body["metadata"].get("ownerReferences")
            and all(owner["uid"] not in uids for owner in body["metadata"]["ownerReferences"])
        ]
        for kind, name in orphans:
            self.remove(kind, namespace, name)
        return bool(orphans)

    def _all(self, kind: Kind, namespace: str | None) -> list[Body]:
        if kind.name not in self._read:
            found = self._server.ask("GET", kind.path(namespace))["items"]
            # Objects in a list come without their kind.
            named = {"apiVersion": kind.api_version, "kind": kind.name}
            self._read[kind.name] = [named | body for body in found]
        return self._read[kind.name]

    def _delete(self, kind: Kind, namespace: str | None, name: str, options: Body) -> None:
        self._read.pop(kind.name, None)
        self._server.ask("DELETE", kind.path(namespace, name), options, missing_is_fine=True)

    def _change(self, kind: Kind, method: str, path: str, body: Body, media: str) -> Body:
        known = self._read.pop(kind.name, None)
        changed = self._server.ask(method, path, body, media)
        if known is not None:
            self._read[kind.name] = _with(known, changed)
        return changed


def _with(known: list[Body], changed: Body) -> list[Body]:
    """The objects of a kind, one of them as it is now."""
    name = changed["metadata"]["name"]
    return [*(body for body in known if body["metadata"]["name"] != name), changed]


def _subject(verb: str, first: Kind | Body, *more: Any) -> tuple[Kind, str]:
    """What a call is about: its kind, and its words as the fake API server counts them."""
    if isinstance(first, Kind):
        has_name = len(more) > 1 and not verb.endswith("_all") and verb != "find"
        return first, f"{first.name} {more[1]}" if has_name else first.name
    meta = first["metadata"]
    return kind_of(first), f"{first['kind']} {first.get('reason') or meta.get('name', '')}"
