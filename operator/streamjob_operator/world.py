"""The outside world of the operator, put together once: clients, clock, settings."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime

from streamjob_operator.api import constants
from streamjob_operator.api.run import jobmanager_name
from streamjob_operator.flink.client import FlinkClient
from streamjob_operator.kube.client import KubeClient
from streamjob_operator.kube.leadership import Leadership
from streamjob_operator.runtime.clock import Clock, SystemClock
from streamjob_operator.settings import Settings


@dataclass(frozen=True)
class World:
    """Everything that is not the job itself. Tests put fakes here."""

    settings: Settings
    kube: KubeClient
    flink: FlinkClient
    clock: Clock = field(default_factory=SystemClock)
    nodes: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    """Region and zone by node, as read once: they don't change while a node lives."""

    leadership: Leadership | None = None
    """Without one this operator is the only one, and may always act."""

    def leading(self) -> AbstractAsyncContextManager[None]:
        """For acts: raises NotLeading as soon as this operator does not surely lead."""
        return nullcontext() if self.leadership is None else self.leadership.guard()

    def now(self) -> datetime:
        """The instant in UTC."""
        return self.clock.now()

    def address(self, name: str, namespace: str, run: int) -> str:
        """The base URL of a run's JobManager: its own Service, nothing else is ever asked."""
        domain = self.settings.cluster_domain
        suffix = f".svc.{domain}" if domain else ".svc"
        host = f"{jobmanager_name(name, run)}.{namespace}{suffix}"
        return f"http://{host}:{constants.REST_PORT}"
