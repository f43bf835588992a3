"""Users, Flink, nodes, the API server and the operator itself do anything, in any order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Final

from hypothesis import strategies as st

from streamjob_operator.api import constants
from streamjob_operator.api.run import jobmanager_name, run_name, taskmanager_name
from streamjob_operator.errors import (
    Conflict,
    FlinkRejected,
    FlinkUnreachable,
    Rejected,
    Unavailable,
)
from streamjob_operator.flink.models import Failure
from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.fakes.kubelet import Fate
from tests.unit.reconcile.driver import NAME, NAMESPACE
from tests.unit.reconcile.happenings import ON, Happenings, happens

FATES: Final = {
    "runs": Fate(),
    "pending": Fate(unschedulable="0/1 nodes are available: Insufficient cpu"),
    "no image": Fate(waiting="ImagePullBackOff", message="not found"),
    "crashes": Fate(exit_code=1, message="Caused by: java.net.ConnectException: refused", ends=3),
}
COMPONENTS: Final = (constants.JOBMANAGER, constants.TASKMANAGER, constants.INSPECTOR)
PROGRAMS: Final[dict[str, Callable[[FakeJob], None]]] = {
    "runs": FakeJob.run,
    "deploys": FakeJob.deploy,
    "fails": lambda job: job.fail("Connection refused"),
    "fails in its program": lambda job: job.fail_in_program("no such class"),
    "starts no job": FakeJob.end_without_job,
    "finishes": FakeJob.finish,
}
KUBE_ERRORS: Final = {
    "no answer": Unavailable("no answer"),
    "conflict": Conflict("modified"),
    "rejected": Rejected("exceeded quota"),
}
FLINK_ERRORS: Final = {
    "no answer": FlinkUnreachable("timed out"),
    "rejected": FlinkRejected("500 Internal Server Error"),
}
KUBE_VERBS: Final = (
    "get",
    "find",
    "apply",
    "apply_status",
    "create",
    "delete",
    "delete_all",
    "merge",
)
FLINK_VERBS: Final = (
    "jobs",
    "failure",
    "restarts",
    "checkpoints",
    "stop_with_savepoint",
    "savepoint",
    "savepoint_result",
    "cancel",
    "application_failure",
    "dispose_savepoint",
)


class Machine(Happenings):
    """One job, from its birth until all is well again."""

    # Flink.

    @property
    def alive(self) -> list[FakeJob]:
        """The Flink jobs that do something right now: one at the most."""
        return [job for job in self.stage.flink.alive if job.begun]

    @property
    def at_work(self) -> list[FakeJob]:
        """Those of them that a program has submitted."""
        return [job for job in self.alive if job.submitted]

    @happens(program=st.sampled_from(["checkpoints", "checkpoints and fails", *PROGRAMS]))
    def runs_will(self, program: str) -> None:
        """What becomes of the runs that start from now on."""

        def checkpoints_and_fails(job: FakeJob) -> None:
            self.stage.run_at_once(job)
            job.fail("sink is gone")

        if program == "checkpoints":
            self.stage.program = self.stage.run_at_once
        elif program == "checkpoints and fails":
            self.stage.program = checkpoints_and_fails
        else:
            self.stage.program = PROGRAMS[program]

    @happens(times=st.integers(1, 3))
    def checkpoint(self, times: int = 1) -> None:
        if not self.stage.kubelet.node_answers:
            # Nobody can know what pods that should have ended still do on a lost node.
            return
        for job in self.at_work:
            if job.overview().all_tasks_run and not job.savepoints_wait:
                for _ in range(times):
                    job.checkpoint()

    @happens()
    def checkpoints_fail(self) -> None:
        for job in self.at_work:
            job.failed_checkpoints += 3

    @happens(times=st.integers(1, 3))
    def flink_restarts(self, times: int = 1) -> None:
        """Flink restarts the job by itself; its tasks are not up again."""
        for job in self.at_work:
            for _ in range(times):
                job.restart("source lost")

    @happens()
    def tasks_run(self) -> None:
        for job in self.at_work:
            if not job.lacks_taskmanagers and job.state != "CANCELLING":
                job.run()

    @happens()
    def flink_gives_up(self) -> None:
        for job in self.at_work:
            job.fail("sink is gone")

    @happens(cancelled=ON)
    def job_ends(self, *, cancelled: bool) -> None:
        """It comes to its end by itself, or somebody cancels it in Flink."""
        for job in self.at_work:
            job.cancel() if cancelled else job.finish()

    @happens(end=st.sampled_from(["complete", "wait", "wait", "fail", "end in a failed job"]))
    def savepoints_will(self, end: str) -> None:
        """What becomes of those that are asked for from now on."""
        for job in self.alive:
            job.savepoints_wait = end == "wait"
            job.savepoints_fail = Failure("disk is full") if end == "fail" else None
            dies = end == "end in a failed job"
            job.dies_with_savepoint = Failure("sink is gone") if dies else None

    @happens(unseen=st.sampled_from([0, 10, 301]))
    def savepoints_complete(self, unseen: int = 0) -> None:
        """`unseen`: so many seconds before anybody looks; Flink forgets them after 300."""
        for job in self.alive:
            job.complete_savepoints()
        self.stage.clock.advance(timedelta(seconds=unseen))

    @happens()
    def cancel_hangs(self) -> None:
        for job in self.alive:
            job.cancel_takes_for_ever = True

    @happens(answers=ON)
    def flink_answers(self, *, answers: bool) -> None:
        self.stage.flink.unreachable = not answers

    @happens(for_passes=st.integers(1, 12))
    def flink_is_silent(self, for_passes: int) -> None:
        """For a while; then it answers again."""
        self.stage.flink.unreachable = True
        self.looks(for_passes)
        self.stage.flink.unreachable = False

    @happens(lists_result=ON)
    def jobmanager_is_replaced(self, *, lists_result: bool) -> None:
        """Another JobManager takes over within the same pod's name."""
        for job in self.stage.flink.jobs_by_address.values():
            if job.reachable:
                job.replace_jobmanager(lists_result=lists_result)

    # The cluster.

    @happens(component=st.sampled_from(["jobmanager", "taskmanager"]))
    def pod_is_killed(self, component: str) -> None:
        label = f"{constants.LABEL_COMPONENT}={component}"
        for pod in self.stage.kube.select(kinds.POD, NAMESPACE, label):
            self.stage.kube.vanish(kinds.POD, NAMESPACE, pod["metadata"]["name"])

    @happens(component=st.sampled_from(COMPONENTS), fate=st.sampled_from([*FATES]))
    def pods_will(self, component: str, fate: str) -> None:
        """What becomes of the pods of a component from now on."""
        self.stage.kubelet.fates[component] = FATES[fate]

    @happens(answers=ON)
    def node_answers(self, *, answers: bool) -> None:
        self.stage.kubelet.node_answers = answers

    @happens(minutes=st.sampled_from([-60, -1, 0, 1, 60]))
    def clocks_differ(self, minutes: int) -> None:
        """By how much the clock of the JobManager's node is ahead, for the runs that start."""
        self.stage.skew = timedelta(minutes=minutes)

    @happens()
    def high_availability_is_deleted(self) -> None:
        label = "configmap-type=high-availability"
        for found in self.stage.kube.select(kinds.CONFIG_MAP, NAMESPACE, label):
            self.stage.kube.remove(kinds.CONFIG_MAP, NAMESPACE, found["metadata"]["name"])

    @happens(child=st.sampled_from(["jobmanager", "taskmanager", "service", "record"]))
    def child_is_deleted(self, child: str) -> None:
        """An object of the current run goes, by somebody's hand."""
        run = self.stage.status.run or 0
        kind, name = {
            "jobmanager": (kinds.DEPLOYMENT, jobmanager_name(NAME, run)),
            "taskmanager": (kinds.DEPLOYMENT, taskmanager_name(NAME, run)),
            "service": (kinds.SERVICE, jobmanager_name(NAME, run)),
            "record": (kinds.CONFIG_MAP, run_name(NAME, run)),
        }[child]
        self.stage.kube.vanish(kind, NAMESPACE, name)
        self.stage.memory.children = None

    @happens()
    def snapshot_is_lost(self) -> None:
        """The files behind `status.snapshot` go."""
        snapshot = self.stage.status.snapshot
        if snapshot is not None and not self.alive:
            self.stage.flink.files.discard(snapshot.path)

    # The API server, the operator, time.

    @happens(
        verb=st.sampled_from(KUBE_VERBS),
        error=st.sampled_from([*KUBE_ERRORS]),
        times=st.integers(1, 4),
        done=ON,
    )
    def api_server_fails(
        self, verb: str, error: str, times: int = 1, *, done: bool = False
    ) -> None:
        """`done`: the calls are carried out all the same."""
        lost = done and error == "no answer"
        self.stage.calls.fail("kube", verb, KUBE_ERRORS[error], times=times, answer_lost=lost)

    @happens(
        verb=st.sampled_from(FLINK_VERBS),
        error=st.sampled_from([*FLINK_ERRORS]),
        times=st.integers(1, 4),
        done=ON,
    )
    def flink_fails(self, verb: str, error: str, times: int = 1, *, done: bool = False) -> None:
        """`done`: the calls are carried out all the same."""
        lost = done and error == "no answer"
        self.stage.calls.fail("flink", verb, FLINK_ERRORS[error], times=times, answer_lost=lost)

    @happens(calls=st.integers(1, 30), before=ON)
    def operator_is_killed(self, calls: int, *, before: bool) -> None:
        """Right before or right after so many more calls."""
        number = len(self.stage.calls.made) + calls
        self.stage.calls.kill_before = number if before else None
        self.stage.calls.kill_after = None if before else number

    @happens(seconds=st.sampled_from([1, 10, 60, 700]))
    def operator_sleeps(self, seconds: int) -> None:
        """Nobody looks for so long."""
        self.stage.clock.advance(timedelta(seconds=seconds))

    # In the end.

    def heal(self) -> None:
        """From here on all is well."""
        stage = self.stage
        stage.calls.heal()
        stage.calls.kill_before = stage.calls.kill_after = None
        stage.flink.unreachable = False
        stage.program, stage.skew = stage.run_at_once, timedelta(0)
        stage.kubelet.node_answers = True
        stage.kubelet.fates.clear()
        for job in stage.flink.jobs_by_address.values():
            job.savepoints_fail = job.dies_with_savepoint = None
            job.savepoints_wait = job.cancel_takes_for_ever = False
            job.failed_checkpoints = 0
        for job in self.alive:
            job.complete_savepoints()
            if job.submitted and not job.is_over:
                job.run()

    def teardown(self) -> None:
        """All is well again: the job comes to rest, can be stopped, and then started afresh."""
        if self.broken or not self.stage.contract.born:
            return
        self.heal()
        if self.stage.contract.spec.snapshots.every is not None:
            self._edit(snapshots=None)
        self._play(self.stage.settle())
        self.stage.contract.check_rest()
        self._rests_without_a_write()
        self._stops_whatever_flink_does()
        self._starts_afresh()
        self.stage.contract.check_rest()

    def _rests_without_a_write(self) -> None:
        made = len(self.stage.calls.made)
        self.looks(4)
        assert [call for call in self.stage.calls.made[made:] if call.is_act] == []

    def _stops_whatever_flink_does(self) -> None:
        self.cancel_hangs()
        self.stage.flink.unreachable = True
        self.wish(state="Stopped")
        began = self.stage.clock.now()
        self.looks(1)
        self._play(self.stage.until(lambda stage: stage.status.state == "Stopped"))
        assert self.stage.clock.now() - began < timedelta(minutes=2)

    def _starts_afresh(self) -> None:
        self.heal()
        self._edit(restore=None, flinkVersion="2.3", desiredState="Running")
        self._play(self.stage.settle())
        assert self.stage.status.state == "Running", self.stage.told()
        assert self.stage.job.restored_path is None
        assert self.stage.warning is None
