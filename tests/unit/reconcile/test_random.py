"""Users, Flink, nodes, the API server and the operator itself do things at random.

Whatever they do: the status never lies, state is neither lost nor taken up twice, two runs never
meet, and when all is well again the job comes to rest. `SEEDS_FROM` and `SEEDS_TO` choose the runs.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from datetime import timedelta

import pytest

from streamjob_operator.errors import Conflict, Unavailable
from streamjob_operator.flink.models import Failure
from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import NAMESPACE, Stage

pytestmark = pytest.mark.unit

SEEDS = range(int(os.environ.get("SEEDS_FROM", "0")), int(os.environ.get("SEEDS_TO", "12")))
FLICKER = timedelta(seconds=3)


class Unruly(Stage):
    """A stage on which anything may happen next."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self.dice = random.Random(seed)
        self.told_: list[str] = []
        self.flink.program = self._any_program
        self.afresh = True
        """The user has given leave to start without state since the last run began."""
        self.begun: list[FakeJob] = []

    async def happen(self) -> None:
        """One thing happens, and the operator looks a few times."""
        what = self.dice.choice(self.CHOICES)
        self.told_.append(what.__name__)
        what(self)
        for _ in range(self.dice.randint(1, 4)):
            await self.look()

    # Users.

    def any_wish(self) -> None:
        self.wish(self.dice.choice(["Running", "Running", "Paused", "Stopped"]))

    def any_edit(self) -> None:
        self.edit(parallelism=self.dice.randint(1, 3))

    def any_nonce(self) -> None:
        nonce = self.dice.choice(["restartNonce", "snapshotNonce"])
        self.edit(**{nonce: str(self.dice.random())})

    def any_invalid_edit(self) -> None:
        self.edit(flinkVersion=self.dice.choice(["0.9", "2.3", "2.3"]))

    # Flink.

    def _any_program(self, job: FakeJob) -> None:
        programs: list[Callable[[FakeJob], None]] = [
            self.run_at_once,
            self.run_at_once,
            FakeJob.run,
            FakeJob.deploy,
            lambda it: it.fail("Connection refused"),
            lambda it: it.fail_in_program("no such class"),
        ]
        self.dice.choice(programs)(job)

    def checkpoint(self) -> None:
        if not self.kubelet.node_answers:
            # Nobody can know what pods that should have ended still do on a lost node.
            return
        for job in self.flink.alive:
            if job.state == "RUNNING" and not job.savepoints_wait:
                job.checkpoint()

    def restart(self) -> None:
        for job in self.flink.alive:
            job.restart("source lost")

    def run(self) -> None:
        for job in self.flink.alive:
            if job.state in {"RESTARTING", "RUNNING"} and not job.lacks_taskmanagers:
                job.run()

    def fail(self) -> None:
        for job in self.flink.alive:
            if job.submitted:
                job.fail("sink is gone")

    def finish(self) -> None:
        if self.dice.random() < 0.2:
            for job in self.flink.alive:
                job.finish()

    def savepoints_fail(self) -> None:
        for job in self.flink.alive:
            job.savepoints_fail = self.dice.choice([None, Failure("disk is full")])

    def savepoints_wait(self) -> None:
        for job in self.flink.alive:
            job.savepoints_wait = True

    def savepoints_complete(self) -> None:
        for job in self.flink.alive:
            job.complete_savepoints()

    def savepoints_complete_unseen(self) -> None:
        """They complete while no operator looks, and Flink forgets what came of them."""
        self.savepoints_complete()
        self.clock.advance(timedelta(seconds=self.dice.choice([10, 301])))

    def jobmanager(self) -> None:
        """Another JobManager takes over."""
        if self._ended_unseen():
            return
        for job in self.flink.jobs_by_address.values():
            if job.reachable:
                job.replace_jobmanager(lists_result=self.dice.random() < 0.5)

    def _ended_unseen(self) -> bool:
        """A start has ended before the operator could ask it whether it had checkpoints.

        Only its JobManager knows then: without it, this looks like a start that failed
        before it had any.
        """
        operation = self.status.operation
        starts = operation is not None and operation.phase == "Starting"
        jobs = self.flink.jobs_by_address.values()
        over = any(job.reachable and job.is_over for job in jobs)
        return starts and over and self.flink.unreachable

    def unreachable(self) -> None:
        self.flink.unreachable = not self.flink.unreachable

    # The cluster.

    def node(self) -> None:
        self.kubelet.node_answers = not self.kubelet.node_answers

    def pod(self) -> None:
        if self._ended_unseen():
            return
        for pod in self.kube.select(kinds.POD, NAMESPACE, "streamjob.dev/job"):
            self.kube.vanish(kinds.POD, NAMESPACE, pod["metadata"]["name"])

    def api_server(self) -> None:
        error = self.dice.choice([Unavailable("no answer"), Conflict("modified")])
        verb = self.dice.choice(["apply_status", "apply", "find", "delete_all"])
        self.calls.fail("kube", verb, error, answer_lost=self.dice.random() < 0.5)

    def operator(self) -> None:
        self.calls.kill_after = len(self.calls.made) + self.dice.randint(1, 30)

    def time(self) -> None:
        longest = 20 if self.flink.unreachable else 700
        self.clock.advance(timedelta(seconds=self.dice.choice([1, 10, longest])))

    CHOICES = (
        *(any_wish, any_wish, any_edit, any_nonce, any_invalid_edit),
        *(checkpoint, checkpoint, restart, run, run, fail, finish),
        *(savepoints_fail, savepoints_wait, savepoints_complete, unreachable, unreachable),
        *(savepoints_complete_unseen, jobmanager),
        *(node, node, pod, api_server, operator, operator, time),
    )

    def heal(self) -> None:
        """From here on all is well."""
        self.calls.heal()
        self.calls.kill_after = None
        self.flink.unreachable = False
        self.flink.program = self.run_at_once
        self.kubelet.node_answers = True
        for job in self.flink.alive:
            job.savepoints_fail = None
            job.complete_savepoints()
            if job.submitted and not job.is_over:
                job.run()

    # What holds at all times.

    def check(self) -> None:
        super().check()
        self._check_state()
        self._check_lineage()
        assert self.kubelet.violations == []

    def _check_state(self) -> None:
        status, alive = self.status, [job for job in self.flink.alive if job.begun]
        if status.state == "Running":
            assert not self.flink.unreachable
            (job,) = alive
            assert job.overview().all_tasks_run or job.overview().quiet_for < FLICKER
        if status.state in {"Paused", "Stopped"}:
            assert alive == []
            assert self.kube.select(kinds.POD, NAMESPACE) == []
        if status.state == "Paused":
            assert status.snapshot is not None
            assert status.snapshot.path in self.flink.files

    def _check_lineage(self) -> None:
        """Each run goes on from the newest state of the run before it."""
        if self.status.state == "Stopped" and self.status.snapshot is None:
            self.afresh = True
        for job in self.flink.jobs_by_address.values():
            if job in self.begun or not job.begun:
                continue
            allowed: list[str | None] = [None]
            for before in self.begun:
                allowed = [*before.since_last_commit()] or [before.restored_path]
            assert job.restored_path in allowed or (self.afresh and job.restored_path is None)
            self.begun.append(job)
            self.afresh = False


@pytest.mark.parametrize("seed", SEEDS)
async def test_whatever_happens_the_state_is_true_and_nothing_is_lost(seed: int) -> None:
    stage = Unruly(seed)
    stage.apply()
    try:
        for _ in range(40):
            await stage.happen()
        stage.heal()
        await stage.settle()
    except AssertionError as error:
        error.add_note(f"after {stage.told_}: {stage.told()}")
        raise

    assert stage.conditions["Ready"] or stage.conditions["Stalled"], stage.told()
