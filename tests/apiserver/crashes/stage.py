"""A stage whose API server is a real one. Flink, the nodes and the controllers are played."""

from __future__ import annotations

import dataclasses
import io
import pickle
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final, Self

from streamjob_operator.api import constants
from streamjob_operator.errors import FlinkError
from streamjob_operator.reconcile import Outcome
from tests.apiserver.crashes.server import Server, ServerKube
from tests.apiserver.crashes.wire import WireAnswer
from tests.fakes.calls import Calls
from tests.fakes.flink import FakeFlink
from tests.unit.reconcile.operations import Truthful

_SERVER: Final = "server"


class WiredFlink:
    """The played Flink, some of whose answers come over the bad line to the real REST client."""

    def __init__(
        self, played: FakeFlink, server: Server, calls: Calls, answers: dict[int, WireAnswer]
    ) -> None:
        self._played = played
        self._server = server
        self._calls = calls
        self._answers = answers

    def __getattr__(self, verb: str) -> Callable[..., Coroutine[Any, Any, Any]]:
        if verb.startswith("_"):
            raise AttributeError(verb)

        async def call(address: str, *about: str, **options: str) -> Any:
            answer = self._answers.get(len(self._calls.made) + 1)
            played = getattr(self._played, verb)
            if answer is None:
                return await played(address, *about, **options)
            if answer.carried_out:
                with suppress(FlinkError):
                    await played(address, *about, **options)
            else:
                with self._calls.call("flink", verb, address):
                    pass
            lines, wire = self._server.lines, self._server.wire
            wire.answer = answer
            client = lines.impatient_flink if answer.hangs else lines.bad_flink
            await getattr(client, verb)(wire.url, *about, **options)
            raise AssertionError(f"no error came of {answer}")

        return call


class ServerStage(Truthful):
    """One job on a real API server, alone in its namespace.

    The server's clock is the machine's, that of the operator and of Flink is the stage's: clocks
    that differ by more than those of nodes ever may.
    """

    kube: ServerKube

    def __init__(self, server: Server) -> None:
        self.server = server
        self.answers: dict[int, WireAnswer] = {}
        """What single calls of the operator, counted from 1, are answered with."""
        server.etcd.put_back(server.namespace, {})
        super().__init__(
            lambda _, calls: ServerKube(server, calls, self.answers), namespace=server.namespace
        )
        flink: Any = WiredFlink(self.flink, server, self.calls, self.answers)
        self.world = dataclasses.replace(self.world, flink=flink)

    async def look(self) -> Outcome | None:
        if self.kube.collect_garbage(self.namespace):
            self.memory.children = None
        return await super().look()

    def check(self) -> None:
        super().check()
        # What the schema does not know, or what is no longer given, would show here.
        assert self.resource["status"] == self.status.to_wire()
        for entry in self.resource["metadata"]["managedFields"]:
            is_operators = entry["manager"] == constants.FIELD_MANAGER
            assert is_operators == ("f:status" in entry["fieldsV1"]), entry
            assert not is_operators or entry["operation"] == "Apply"

    def frozen(self) -> Callable[[], Self]:
        stored = self.server.etcd.stored(self.namespace)
        world = io.BytesIO()
        _Pickler(world).dump(self)

        def thawed() -> Any:
            self.server.etcd.put_back(self.namespace, stored)
            return _Unpickler(io.BytesIO(world.getvalue()), self.server).load()

        return thawed


class _Pickler(pickle.Pickler):
    """The server is no part of what is kept."""

    def persistent_id(self, kept: Any) -> str | None:
        return _SERVER if isinstance(kept, Server) else None


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, server: Server) -> None:
        super().__init__(file)
        self._server = server

    def persistent_load(self, _: str) -> Server:
        return self._server
