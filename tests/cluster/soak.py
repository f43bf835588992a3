"""The soak: wishes change and things are killed at random for a given time; nothing may break.

`python -m tests.cluster.soak --minutes 60 --seed 7` on the test bed with the operator's image
loaded. The same seed gives the same sequence of choices. Below build/soak-SEED stay a journal of
everything, the summary, the logs of all pods and, where something broke, the jobs' data.
"""

from __future__ import annotations

import argparse
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn, TypeVar

from tests.cluster.choices import Change, Killing, Settle, Step, Subject, Wait, steps
from tests.cluster.cluster import Cluster, Job, NotYetError, wait_for
from tests.cluster.committed import Committed, of_lines, of_numbered_records
from tests.cluster.disturbances import OPERATOR, ROOT, kill, testbed
from tests.cluster.journal import Journal
from tests.cluster.records import numbered_records
from tests.cluster.verdicts import is_given_up, is_settled, miscounted, wrong_at_the_end
from tests.cluster.watcher import Count, Tally, Watcher

T = TypeVar("T")

NAMESPACE: Final = "soak"
SETTLE_SECONDS: Final = 600
"""Once nothing disturbs a job any more it is there within this: Flink's own restarts wait up to a
minute, containers that were killed often wait for minutes, and two cores start slowly.
"""
MORE_RECORDS: Final = 200
PATIENCE_SECONDS: Final = 5
"""So long does a user look at a job that was given up before they set a new `restartNonce`."""

SUBJECTS: Final = (
    Subject("numbers", may_scale=True),
    Subject("lines"),
    Subject("lives", may_stop=True, may_scale=True),
)

_SEVERAL_LIVES: Final = frozenset(subject.name for subject in SUBJECTS if subject.may_stop)

_SQL: Final = """
CREATE TABLE numbers (id BIGINT) WITH (
  'connector' = 'datagen', 'rows-per-second' = '50',
  'fields.id.kind' = 'sequence', 'fields.id.start' = '1', 'fields.id.end' = '400000'
);
CREATE TABLE lines (id BIGINT) WITH (
  'connector' = 'filesystem', 'path' = 'file:///data/soak-lines', 'format' = 'csv',
  'sink.rolling-policy.rollover-interval' = '2 s', 'sink.rolling-policy.check-interval' = '1 s'
);
INSERT INTO lines SELECT id FROM numbers;
"""


class EndedError(Exception):
    """Somebody ends the soak before its time."""


@dataclass
class Done:
    """What the soak has done, counted."""

    minutes: float = 0
    """Of disturbances."""
    kills: Counter[str] = field(default_factory=Counter)
    missed: int = 0
    """Kills that found nothing to kill."""
    changes: Counter[str] = field(default_factory=Counter)
    again: int = 0
    """New nonces for jobs that had been given up."""


@dataclass
class Outcome:
    """The result of one soak."""

    seed: int
    done: Done
    tally: Tally
    committed: dict[str, Committed]
    broken: list[str]

    def __str__(self) -> str:
        tally, done = self.tally, self.done
        lines = [
            f"seed {self.seed}, {done.minutes:.1f} minutes",
            f"kills: {done.kills.total()} ({_listed(done.kills)}); nothing there: {done.missed}",
            f"changed wishes: {done.changes.total()} ({_listed(done.changes)})",
            f"new nonces for jobs given up: {done.again}",
            f"operations: {_listed(tally.operations)}",
            f"warnings: {_listed(tally.warnings)}",
            f"looks: {tally.looks}, unanswered {tally.unanswered}; leaders: {tally.leaders}",
            *(
                f"{name}: {found.records} records, {found.lost} lost, {found.doubled} doubled, "
                f"{found.misnumbered} misnumbered, {found.fresh_runs} fresh runs"
                for name, found in self.committed.items()
            ),
            *(f"BROKEN: {word}" for word in self.broken),
            "nothing broke" if not self.broken else f"replay: --seed {self.seed}",
        ]
        return "\n".join(lines)


class Soak:
    """One soak on a cluster: the steps, a user's reactions, and the end."""

    def __init__(self, cluster: Cluster, jar: Path, seed: int, out: Path) -> None:
        self.out = out
        self.journal = Journal(out / "journal.log")
        self.done = Done()
        self._cluster = cluster
        self._seed = seed
        self._jobs = {name: Job(cluster, name, spec) for name, spec in _specs(jar).items()}
        self._counts: dict[str, Count] = {
            "numbers": partial(of_numbered_records, cluster.data / "soak-numbers"),
            "lines": partial(of_lines, cluster.data / "soak-lines"),
            "lives": partial(of_numbered_records, cluster.data / "soak-lives"),
        }
        self._watcher = Watcher(cluster, self.journal, self._counts)
        self._generations: dict[str, int] = {}
        """Of the spec as it was declared last, by job."""
        self._stalled_since: dict[str, float] = {}
        self._broken: list[str] = []

    def run(self, minutes: float) -> Outcome:
        """Start the jobs, disturb them for so long, and look at what is left."""
        self.journal.note("soak", f"seed {self._seed}, {minutes} minutes")
        try:
            self._begin()
            self._disturb(minutes)
            self._finish()
        except (AssertionError, subprocess.SubprocessError) as error:
            self._break(f"the soak could not go on: {error}")
        except EndedError:
            self._break("ended from outside, before its time")
        self._watcher.end()
        return self._outcome()

    def _begin(self) -> None:
        """All jobs run and have committed: from then on none of them may ever start empty."""
        self._watcher.start()
        for name in self._jobs:
            self._declare(name)
        for name in self._jobs:
            self._settle(name)
            self._goes_on(name)

    def _disturb(self, minutes: float) -> None:
        began = time.monotonic()
        for step in steps(self._seed, SUBJECTS):
            self.done.minutes = (time.monotonic() - began) / 60
            if self.done.minutes > minutes:
                return
            self._perform(step)

    def _perform(self, step: Step) -> None:
        match step:
            case Wait(seconds):
                self._wait(seconds)
            case Change(name, words, spec):
                self.journal.note("user", f"{name}: {words}")
                self.done.changes[words.split()[0]] += 1
                self._declare(name, **spec)
            case Killing():
                self._kill(step)
            case Settle(name):
                self._settle(name)

    def _declare(self, name: str, **changes: Any) -> None:
        insist(partial(self._jobs[name].declare, **changes))
        self._generations[name] = insist(lambda: self._jobs[name].body["metadata"]["generation"])

    def _kill(self, killing: Killing) -> None:
        hit = insist(partial(kill, self._cluster, killing))
        self.journal.note("kill", f"{killing}: {hit or 'nothing there'}")
        if hit:
            self.done.kills[killing.kill] += 1
        else:
            self.done.missed += 1

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, 1))
            self._react()

    def _react(self) -> None:
        """Do what a user does for a job that was given up: say that it is to be tried again."""
        for name in self._jobs:
            look = self._watcher.latest.get(name)
            if look is None or not is_given_up(look):
                self._stalled_since.pop(name, None)
                continue
            since = self._stalled_since.setdefault(name, time.monotonic())
            if time.monotonic() - since > PATIENCE_SECONDS:
                del self._stalled_since[name]
                self.done.again += 1
                self.journal.note("user", f"{name}: was given up; a new restartNonce")
                nonce = f"again-{self.done.again}"
                self._declare(name, restartNonce=nonce)

    def _settle(self, name: str) -> None:
        """Wait until the job is what its spec wishes, while nothing disturbs it."""
        began = time.monotonic()
        while not is_settled(self._watcher.latest.get(name), self._generations[name]):
            if time.monotonic() - began > SETTLE_SECONDS or not self._watcher.is_alive():
                words = f"{name} is not what it is wished to be within {SETTLE_SECONDS} s"
                self._break(f"{words}: {insist(self._jobs[name].told)}")
                return
            self._wait(1)
        self.journal.note("soak", f"{name} settled after {time.monotonic() - began:.0f} s")

    def _goes_on(self, name: str) -> None:
        count = self._counts[name]
        before = count().records
        try:
            wait_for(
                lambda: count().records > before + MORE_RECORDS or None,
                f"{name} commits more records than {before}",
                120,
                lambda: insist(self._jobs[name].told),
            )
        except NotYetError as error:
            self._break(str(error))

    def _finish(self) -> None:
        """Left in peace, every job runs and goes on; then it is Paused, and its records count."""
        self.journal.note("soak", "no more disturbances")
        for name in self._jobs:
            self._declare(name, desiredState="Running")
        for name in self._jobs:
            self._settle(name)
            self._goes_on(name)
        for name in self._jobs:
            self._declare(name, desiredState="Paused")
        for name in self._jobs:
            self._settle(name)
            words = wrong_at_the_end(insist(partial(self._cluster.get, "streamjob", name)))
            words += miscounted(self._counts[name](), one_row=name not in _SEVERAL_LIVES)
            for word in words:
                self._break(f"{name} at the end: {word}")

    def _break(self, word: str) -> None:
        self.journal.note("BROKEN", word)
        self._broken.append(word)

    def _outcome(self) -> Outcome:
        committed = {name: count() for name, count in self._counts.items()}
        broken = [*self._watcher.tally.broken, *self._broken]
        tally = self._watcher.tally
        outcome = Outcome(self._seed, self.done, tally, committed, broken)
        (self.out / "summary.txt").write_text(f"{outcome}\n", encoding="utf-8")
        if broken:
            # What a job still writes meanwhile may vanish; everything else is copied.
            with suppress(shutil.Error):
                shutil.copytree(self._cluster.data, self.out / "data", dirs_exist_ok=True)
        return outcome


def _specs(jar: Path) -> dict[str, dict[str, Any]]:
    checkpoints = {"execution.checkpointing.interval": "2 s"}
    return {
        "numbers": numbered_records(jar, output="soak-numbers"),
        "lines": {"sql": {"script": _SQL}, "flinkConfiguration": checkpoints},
        "lives": numbered_records(jar, output="soak-lives"),
    }


def insist(act: Callable[[], T]) -> T:
    """Do it until it succeeds, for a minute: the API server may just have been killed."""
    until = time.monotonic() + 60
    while True:
        try:
            return act()
        except (AssertionError, subprocess.SubprocessError):
            if time.monotonic() > until:
                raise
            time.sleep(1)


def _end(*_: object) -> NoReturn:
    """Told to end: what is there is still counted, and the jobs are removed."""
    raise EndedError


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(counts.items())) or "none"


def deploy(cluster: Cluster) -> None:
    """The operator as tests want it, both replicas ready."""
    cluster.kubectl("apply", "-k", str(ROOT / "tests" / "cluster" / "operator"))
    rollout = (*OPERATOR, "rollout", "status", "deployment/streamjob-operator")
    cluster.kubectl(*rollout, "--timeout=110s")


@contextmanager
def prepared() -> Iterator[tuple[Cluster, Path]]:
    """The test bed with the operator, an empty namespace and the job's jar; all goes afterwards."""
    data = Path(tempfile.mkdtemp(prefix="streamjob-soak-"))
    data.chmod(0o777)
    cluster = Cluster(Path(testbed("kubeconfig")), NAMESPACE, data)
    if cluster.kubectl("config", "current-context").strip() != testbed("context"):
        raise SystemExit("refusing to soak a cluster that is not the test bed: run `make cluster`")
    jar = data / "jars" / "numbered-records.jar"
    build = ROOT / "examples" / "numbered-records" / "build"
    subprocess.run([str(build), testbed("flink-home"), str(jar)], check=True, timeout=300)
    deploy(cluster)
    cluster.kubectl("delete", "namespace", NAMESPACE, "--ignore-not-found", "--wait=true")
    cluster.kubectl("create", "namespace", NAMESPACE)
    try:
        yield cluster, jar
    finally:
        cluster.kubectl("delete", "streamjobs", "--all", "--wait=true", check=False)
        cluster.kubectl("delete", "namespace", NAMESPACE, "--wait=false", check=False)
        shutil.rmtree(data, ignore_errors=True)


def main() -> int:
    """Soak; exit 0 if nothing broke, 1 if something did."""
    parser = argparse.ArgumentParser(description="Disturbs jobs at random and checks everything.")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, help="repeats the choices of an earlier run")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, _end)
    seed = arguments.seed if arguments.seed is not None else random.randrange(1_000_000)
    with prepared() as (cluster, jar):
        soak = Soak(cluster, jar, seed, ROOT / "build" / f"soak-{seed}")
        sys.stdout.write(f"seed {seed}; the journal is {soak.journal.path}\n")
        sys.stdout.flush()
        outcome = soak.run(arguments.minutes)
    sys.stdout.write(f"{outcome}\n")
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
