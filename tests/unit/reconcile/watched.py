"""A stage that holds all that it sees against the contract, whatever a test lets happen."""

from __future__ import annotations

from datetime import timedelta

from streamjob_operator.api import constants
from streamjob_operator.kube import kinds
from streamjob_operator.reconcile import Outcome
from tests.fakes.calls import REQUESTS
from tests.fakes.flink import Program
from tests.fakes.flink_job import FakeJob
from tests.unit.reconcile.contract import Contract
from tests.unit.reconcile.driver import NAME, NAMESPACE, Stage


class Watched(Stage):
    """A stage that holds what it sees against the contract."""

    def __init__(self) -> None:
        super().__init__()
        self.program: Program = self.run_at_once
        """What becomes of the runs that start from now on."""
        self.skew = timedelta(0)
        self.flink.program = self._start
        self.made = 0
        """So many calls were made before the present pass."""
        self.contract = Contract(self)

    def _start(self, job: FakeJob) -> None:
        job.skew = self.skew
        self.program(job)

    def check(self) -> None:
        asked = any(call.verb in REQUESTS for call in self.calls.made[self.made :])
        self.contract.check_truth(asked=asked)

    async def look(self) -> Outcome | None:
        began, self.made = self.clock.now(), len(self.calls.made)
        self.contract.follow()
        outcome = await super().look()
        self.contract.follow()
        if outcome is not None:
            self.contract.check_stop(self.clock.now() - began)
            self._let_go(outcome)
        return outcome

    def _let_go(self, outcome: Outcome) -> None:
        """What is deleted goes when nothing is left of it, and the user makes it again."""
        if not outcome.settled or "deletionTimestamp" not in self.resource["metadata"]:
            return
        mine = f"{constants.LABEL_JOB}={NAME}"
        for kind in (kinds.DEPLOYMENT, kinds.POD, kinds.SERVICE):
            assert self.kube.select(kind, NAMESPACE, mine) == []
        assert self.kube.select(kinds.CONFIG_MAP, NAMESPACE) == []
        spec = {"jar": None} | self.resource["spec"] | {"desiredState": "Running"}
        self.kube.vanish(kinds.STREAM_JOB, NAMESPACE, NAME)
        self.flink.jobs_by_address.clear()
        self.restart_operator()
        self.apply(**spec)
        self.contract = Contract(self)
