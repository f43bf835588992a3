"""What a user may rely on, whatever happens: compared with the world after each pass.

Knows the contract's words and the played world, and nothing of how the operator decides.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from streamjob_operator.api import constants
from streamjob_operator.api.run import taskmanager_name
from streamjob_operator.api.spec import StreamJobSpec, Wish
from streamjob_operator.api.status import OperationType, Phase, State, StreamJobStatus
from streamjob_operator.flink.models import SavepointResult
from streamjob_operator.kube import kinds
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage
from tests.unit.reconcile.lineage import Lineage

FLICKER: Final = timedelta(seconds=3)
KEPT_IN_STATUS: Final = 10
"""`status.snapshots` is a list of so many."""
STARTS_IN_VAIN: Final = 12
"""More runs than that never start one after another without success or a word of the user:
3 attempts, 5 recoveries and a rollback.
"""
STOP_BOUND: Final = timedelta(minutes=3)
"""30 s for Flink's cancel, 60 s for a last snapshot, and the pods' own time."""
STOP_PASSES: Final = 12
MOST_ATTEMPTS: Final = 3
"""The default of `retry.maxAttempts`, and as many as any user asks for here."""
RUNS_FLINK: Final = (
    f"{constants.LABEL_COMPONENT} in ({constants.JOBMANAGER},{constants.TASKMANAGER})"
)
ADVICE: Final = frozenset(
    {
        "InvalidSpec",
        "JobRestarting",
        "JobManagerUnavailable",
        "PodsPending",
        "CheckpointsFailing",
        "NodeLost",
        "PauseSlow",
        "PutBackFailed",
        "RecordLost",
    }
)
"""Warnings that tell of no failed operation, and may go as they came."""


class Contract:
    """Follows one StreamJob from its birth to its end; AssertionError when a promise is broken."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.lineage = Lineage()
        self.status = StreamJobStatus()
        """As the last pass left it."""
        self.triggers: set[str] = set()
        """All that status has announced."""
        self.asked: dict[str, int] = {}
        """By Flink job id: how many requests for savepoints are known."""
        self.told_for: int | None = None
        """The generation for which the present warning was given."""
        self.starts_in_vain = 0
        self.stop_wished_for = timedelta(0)
        self.stop_passes = 0

    @property
    def born(self) -> bool:
        """The StreamJob has been made."""
        return self.stage.kube.read(kinds.STREAM_JOB, NAMESPACE, NAME) is not None

    @property
    def jobs(self) -> list[FakeJob]:
        """The Flink jobs of all runs, oldest first."""
        return list(self.stage.flink.jobs_by_address.values())

    @property
    def spec(self) -> StreamJobSpec:
        """What is declared now."""
        return StreamJobSpec.model_validate(self.stage.resource["spec"])

    @property
    def deleting(self) -> bool:
        """The user has deleted it, and it is not gone."""
        return "deletionTimestamp" in self.stage.resource["metadata"]

    @property
    def wish(self) -> Wish:
        """A resource that is being deleted is to be stopped."""
        return Wish.STOPPED if self.deleting else self.spec.desired_state

    def follow(self) -> None:
        """After each look, cut off or not, and after whatever else happened."""
        status, spec, wish = self.stage.status, self.spec, self.wish
        if (status.run or 0) > self.lineage.run:
            self.starts_in_vain += 1
        if status.state is State.RUNNING and status.operation is None:
            self.starts_in_vain = 0
        self.lineage.follow(spec, wish, status, self.jobs)
        if status.operation is not None and status.operation.trigger_id is not None:
            self.triggers.add(status.operation.trigger_id)
        self._check_requests()
        self._check_pods(status)
        self._check_snapshots(self.status, status)
        self._check_warning(self.status, status)
        self.status = status

    def edited(self) -> None:
        """The user has said something."""
        self.starts_in_vain = 0

    # What status says, compared with the world, after a pass that was not cut off.

    def check_truth(self, *, asked: bool) -> None:
        """The state is what the job really is. `asked`: Flink was asked to change it just now."""
        status, stage = self.stage.status, self.stage
        alive = [job for job in stage.flink.alive if job.begun]
        if status.state is State.RUNNING and not asked:
            assert not stage.flink.unreachable
            (job,) = alive
            overview = job.overview()
            assert overview.all_tasks_run or overview.quiet_for < FLICKER
        if status.state in {State.PAUSED, State.STOPPED}:
            assert alive == []
            assert stage.kube.select(kinds.POD, NAMESPACE) == []
        if status.state is State.PAUSED:
            assert status.snapshot is not None
        operation = status.operation
        if operation is not None:
            assert status.state is State.OPERATING or operation.type is OperationType.SNAPSHOT
        self._check_conditions(status)

    def _check_conditions(self, status: StreamJobStatus) -> None:
        holds = {condition.type: condition.status == "True" for condition in status.conditions}
        assert holds["Ready"] + holds["Reconciling"] + holds["Stalled"] == 1
        assert holds["Running"] == (status.state is State.RUNNING)
        assert holds["SnapshotAvailable"] == (status.snapshot is not None)
        failed = status.warning is not None and status.warning.reason not in ADVICE
        assert holds["LastOperationSucceeded"] != failed
        if holds["Stalled"]:
            assert status.warning is not None
            assert status.warning.message
            assert status.warning.remedy or status.warning.reason == "InvalidSpec"
        if holds["Ready"]:
            reason = {condition.type: condition.reason for condition in status.conditions}["Ready"]
            as_wished = status.state is not None and status.state.value == self.wish.value
            assert as_wished or reason in {"JobFinished", "NothingToPause"}

    def check_stop(self, passed: timedelta) -> None:
        """Stop always ends: after a pass that was not cut off, on nodes that answer."""
        if self.wish is not Wish.STOPPED or not self.stage.kubelet.node_answers:
            self.stop_wished_for, self.stop_passes = timedelta(0), 0
            return
        self.stop_wished_for += passed
        self.stop_passes += 1
        if self.stop_wished_for > STOP_BOUND and self.stop_passes > STOP_PASSES:
            assert self.stage.status.state is State.STOPPED, self.stage.status.operation

    # What holds at any time.

    def _check_requests(self) -> None:
        """A savepoint is announced before it is asked for, and one is under way at a time."""
        for job in self.jobs:
            known = self.asked.get(job.job_id, 0)
            before, new = set(job.asked[:known]), job.asked[known:]
            self.asked[job.job_id] = len(job.asked)
            assert set(new) <= self.triggers
            for trigger in set(new) - before:
                others = [other for name, other in job.savepoints.items() if name != trigger]
                assert all(other.result != SavepointResult() for other in others)

    def _check_pods(self, status: StreamJobStatus) -> None:
        """One run at a time has pods, and only a run that was announced."""
        assert self.stage.kubelet.violations == []
        pods = self.stage.kube.select(kinds.POD, NAMESPACE, RUNS_FLINK)
        runs = {int(pod["metadata"]["labels"][constants.LABEL_RUN]) for pod in pods}
        assert len(runs) < 2
        assert runs <= set(range(1, (status.run or 0) + 1))
        spec = self.spec
        bound = spec.retry.max_attempts + spec.recovery.max_attempts + 2
        assert self.starts_in_vain <= max(bound, STARTS_IN_VAIN)
        if status.warning is not None and status.warning.attempts is not None:
            assert status.warning.attempts <= MOST_ATTEMPTS

    def _check_snapshots(self, before: StreamJobStatus, now: StreamJobStatus) -> None:
        """A snapshot is never forgotten, unless the state was discarded by the user's own wish."""
        kept = {snapshot.path for snapshot in now.snapshots}
        gone = [snapshot for snapshot in before.snapshots if snapshot.path not in kept]
        assert not gone or len(before.snapshots) >= min(KEPT_IN_STATUS, self.spec.snapshots.retain)
        said = self.lineage.said
        if before.snapshot is not None and now.snapshot is None:
            finished = now.ended and (now.warning is None or now.warning.reason == "InvalidSpec")
            assert said.stop or said.stateless or finished or self.lineage.excused
        if before.snapshot is not None and now.snapshot not in {None, before.snapshot}:
            made_up = before.snapshot.origin == "Restore"
            assert made_up or before.snapshot.path in kept or gone

    def _check_warning(self, before: StreamJobStatus, now: StreamJobStatus) -> None:
        """A failure stays told until the operation succeeds or the wish changes."""
        told, told_for = before.warning, self.told_for
        if now.warning is not None and now.warning != told:
            self.told_for = now.observed_generation
        if told is None or told.reason in ADVICE:
            return
        if now.warning is not None and now.warning.reason not in ADVICE - {"InvalidSpec"}:
            return
        changed = (
            told_for != self.stage.resource["metadata"]["generation"]
            or before.observed_restart_nonce != now.observed_restart_nonce
            or before.observed_restore != now.observed_restore
        )
        shown = {condition.type: condition.reason for condition in now.conditions}
        finished = bool(now.ended) and (now.warning is None or now.warning.reason == "InvalidSpec")
        ended = finished or shown["Ready"] == "JobFinished" or self.wish is Wish.STOPPED
        assert changed or ended or self._succeeded(told.reason, before, now), (
            f"{told.reason} is told no more, but {now.warning}"
        )

    def _succeeded(self, reason: str, before: StreamJobStatus, now: StreamJobStatus) -> bool:
        if reason.startswith("Snapshot"):
            starts = before.operation is not None and before.operation.phase is Phase.STARTING
            return before.snapshots != now.snapshots or (starts and now.state is State.RUNNING)
        if reason.startswith("Pause") and self.wish is Wish.PAUSED:
            return now.state is State.PAUSED
        if reason.startswith("Upgrade"):
            return now.state is State.RUNNING and self._runs_as_declared(now.run or 0)
        fulfilled = {each.type: each.status for each in now.conditions}["Ready"] == "True"
        return now.state is State.RUNNING or fulfilled

    def _runs_as_declared(self, run: int) -> bool:
        name = taskmanager_name(NAME, run)
        made = self.stage.kube.read(kinds.DEPLOYMENT, NAMESPACE, name)
        return made is not None and made["spec"]["replicas"] == self.spec.parallelism

    # When all is well again.

    def check_rest(self) -> None:
        """The wish is fulfilled, or given up with words that say what to do."""
        conditions = self.stage.conditions
        assert conditions["Ready"] or conditions["Stalled"]
        assert self.stage.status.operation is None
