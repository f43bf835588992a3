"""One StreamJob and the operator's loop on it, in a world of fakes where no time really passes."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, Self

from streamjob_operator.api.run import flink_job_id_of
from streamjob_operator.api.status import StreamJobStatus
from streamjob_operator.errors import KubernetesError
from streamjob_operator.kube import kinds
from streamjob_operator.observe import Memory
from streamjob_operator.reconcile import Outcome, reconcile
from streamjob_operator.settings import Settings
from streamjob_operator.world import World
from tests.fakes.calls import Calls, Killed
from tests.fakes.clock import FakeClock
from tests.fakes.flink import FakeFlink
from tests.fakes.flink_job import FakeJob
from tests.fakes.kube import Cluster, FakeKube
from tests.fakes.kubelet import NODE, FakeHost, Kubelet

NAMESPACE: Final = "shop"
NAME: Final = "orders"
SHORT: Final = timedelta(seconds=5)
"""Real Flinks are asked at least this often, so no pass comes later here."""

SQL: Final = """\
CREATE TABLE orders (id BIGINT) WITH ('connector' = 'datagen');
CREATE TABLE totals (id BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO totals SELECT id FROM orders;
"""
JAR: Final = {"uri": "local:///opt/jobs/orders.jar", "mainClass": "com.acme.Orders"}
STORAGE: Final = {"uri": "file:///state"}


class Stage:
    """The world of one job. `look` is one pass of the operator; the cluster follows at once."""

    def __init__(
        self,
        kube: Callable[[FakeClock, Calls], Cluster] = FakeKube,
        namespace: str = NAMESPACE,
        **settings: Any,
    ) -> None:
        self.namespace = namespace
        self.clock = FakeClock()
        self.calls = Calls()
        self.kube = kube(self.clock, self.calls)
        self.flink = FakeFlink(self.clock, self.calls)
        self.world = World(Settings(**settings), self.kube, self.flink, self.clock)
        self.kubelet = Kubelet(FakeHost(self.kube), self.flink, self.world.address)
        self.memory = Memory()
        self.kills = 0
        """How often the operator was killed. Another one with no memory goes on at once."""
        self.history: list[StreamJobStatus] = []
        """Each status that was written, oldest first."""
        topology = "topology.kubernetes.io"
        labels = {f"{topology}/region": "north", f"{topology}/zone": "north-a"}
        node = {"name": NODE, "labels": labels}
        self.kube.put({"apiVersion": "v1", "kind": "Node", "metadata": node})

    # The user.

    def apply(self, **spec: Any) -> None:
        """Make the StreamJob: a small JAR job, but for the fields given."""
        declared = {"jar": JAR, "storage": STORAGE} | spec
        self.kube.put(
            {
                "apiVersion": "streamjob.dev/v1alpha1",
                "kind": "StreamJob",
                "metadata": {
                    "name": NAME,
                    "namespace": self.namespace,
                    "finalizers": ["streamjob.dev/finalizer"],
                },
                "spec": {field: value for field, value in declared.items() if value is not None},
            }
        )

    def edit(self, **spec: Any) -> None:
        """Change fields of the spec."""
        self.kube.edit(kinds.STREAM_JOB, self.namespace, NAME, **spec)

    def wish(self, state: str) -> None:
        """Change `desiredState`."""
        self.edit(desiredState=state)

    def delete(self) -> None:
        """Delete the StreamJob."""
        self.kube.remove(kinds.STREAM_JOB, self.namespace, NAME)

    @property
    def resource(self) -> dict[str, Any]:
        """The StreamJob as the API server has it."""
        body = self.kube.read(kinds.STREAM_JOB, self.namespace, NAME)
        assert body is not None, "the StreamJob is gone"
        return body

    @property
    def status(self) -> StreamJobStatus:
        """What the user reads."""
        return StreamJobStatus.model_validate(self.resource.get("status") or {})

    @property
    def warning(self) -> str | None:
        """The warning's reason."""
        return self.status.warning.reason if self.status.warning is not None else None

    def condition(self, kind: str) -> tuple[str, str]:
        """Status and reason of a condition."""
        found = next(each for each in self.status.conditions if each.type == kind)
        return found.status, found.reason

    @property
    def conditions(self) -> dict[str, bool]:
        """Ready, Stalled, LastOperationSucceeded: whether they hold."""
        kinds_ = ("Ready", "Stalled", "LastOperationSucceeded")
        return {kind: self.condition(kind)[0] == "True" for kind in kinds_}

    @property
    def events(self) -> list[str]:
        """Reasons of all events, oldest first."""
        return [event["reason"] for event in self.kube.events]

    @property
    def states(self) -> list[str]:
        """The states that a user saw one after another."""
        seen = [str(status.state) for status in self.history]
        return [state for index, state in enumerate(seen) if index == 0 or seen[index - 1] != state]

    # Flink.

    def run_at_once(self, job: FakeJob) -> None:
        """A program that is up, with a checkpoint, in no time."""
        job.run()
        self.clock.advance(timedelta(milliseconds=10))
        job.checkpoint()

    def job_of(self, run: int) -> FakeJob:
        """The Flink job of a run."""
        return self.flink.jobs_by_address[self.world.address(NAME, self.namespace, run)]

    @property
    def job(self) -> FakeJob:
        """The Flink job of the current run."""
        return self.job_of(self.status.run or 0)

    @property
    def triggers(self) -> set[str]:
        """The distinct savepoint requests that reached any JobManager."""
        jobs = self.flink.jobs_by_address.values()
        return {trigger for job in jobs for trigger in job.asked}

    # The operator.

    async def look(self) -> Outcome | None:
        """One pass; then pods follow, and time goes on to when the operator looks again."""
        try:
            outcome = await reconcile(self.world, self.namespace, NAME, self.memory)
        except KubernetesError:
            outcome = None
            self.clock.advance(timedelta(seconds=1))
        except Killed:
            outcome = None
            self.kills += 1
            self.restart_operator()
            self.clock.advance(timedelta(seconds=1))
        self._remember()
        if outcome is not None:
            self.check()
        before = self._children()
        await self.kubelet.tick(self.namespace)
        if self._children() != before:
            self.memory.children = None
        if outcome is not None:
            self.clock.advance(min(outcome.look_again, SHORT))
        return outcome

    def check(self) -> None:
        """What has to be true after each pass that was not cut off; tests may add to it."""

    async def until(self, happened: Callable[[Stage], object], passes: int = 300) -> None:
        """Pass after pass until it has happened."""
        for _ in range(passes):
            if self.resource.get("status") and happened(self):
                return
            await self.look()
        raise AssertionError(f"not within {passes} passes; {self.told()}")

    async def settle(
        self, passes: int = 400, *, before_pass: Callable[[Self], None] | None = None
    ) -> None:
        """Pass after pass until nothing is under way and nothing is left to try."""
        quiet = 0
        for _ in range(passes):
            if before_pass is not None:
                before_pass(self)
            before = self.resource["metadata"]["resourceVersion"]
            outcome = await self.look()
            same = self.resource["metadata"]["resourceVersion"] == before
            retry = self.status.retry
            due = retry.next_attempt_at if retry is not None else None
            trying = due is not None and due > self.clock.now()
            resting = outcome is not None and outcome.look_again > SHORT and not trying
            quiet = quiet + 1 if resting and same else 0
            if quiet > 1:
                return
        raise AssertionError(f"not settled within {passes} passes; {self.told()}")

    async def looks(self, seconds: float) -> None:
        """Passes for so long."""
        end = self.clock.now() + timedelta(seconds=seconds)
        while self.clock.now() < end:
            before = self.clock.now()
            await self.look()
            if self.clock.now() == before:
                self.clock.advance(timedelta(milliseconds=1))

    def restart_operator(self) -> None:
        """Another operator process: all it knows is in the cluster."""
        self.memory = Memory()
        self.world.nodes.clear()

    def frozen(self) -> Callable[[], Self]:
        """What makes this world again, as it is now, any number of times."""
        # Three times faster than copy.deepcopy.
        world = pickle.dumps(self)
        return lambda: pickle.loads(world)

    def told(self) -> str:
        """For messages of tests: the status and the last calls."""
        last = [f"{call.system}.{call.verb} {call.what}" for call in self.calls.made[-15:]]
        status = copy.deepcopy(self.resource.get("status") or {})
        status.pop("conditions", None)
        return f"status {status}, events {self.events}, calls {last}"

    def _remember(self) -> None:
        body = self.kube.read(kinds.STREAM_JOB, self.namespace, NAME)
        if body is not None and "status" in body:
            status = StreamJobStatus.model_validate(body["status"])
            if not self.history or self.history[-1] != status:
                self.history.append(status)

    def _children(self) -> list[str]:
        watched = (kinds.DEPLOYMENT, kinds.SERVICE, kinds.CONFIG_MAP)
        return [
            body["metadata"]["resourceVersion"]
            for kind in watched
            for body in self.kube.select(kind, self.namespace, "streamjob.dev/job")
        ]


async def running(**spec: Any) -> Stage:
    """A job that has run for a minute; its runs complete a checkpoint as soon as they run."""
    stage = Stage()
    stage.flink.program = stage.run_at_once
    stage.apply(**spec)
    await stage.settle()
    assert stage.status.state == "Running", stage.told()
    stage.clock.advance(timedelta(minutes=1))
    return stage


async def paused(**spec: Any) -> Stage:
    """A job that was paused."""
    stage = await running(**spec)
    stage.wish("Paused")
    await stage.settle()
    assert stage.status.state == "Paused", stage.told()
    return stage


def flink_job_id(stage: Stage, run: int) -> str:
    """Flink's id of a run, as the contract derives it."""
    return flink_job_id_of(stage.resource["metadata"]["uid"], run)
