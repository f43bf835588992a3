"""The demonstration itself, step by step."""

from __future__ import annotations

import time
from dataclasses import dataclass

from examples.demo import installation, sinks
from examples.demo.clusters import Cluster, bring_images, open_cluster
from examples.demo.console import DemoError, Screen
from examples.demo.feed import Feed
from examples.demo.jobs import Jobs
from examples.demo.kubectl import NAMESPACE
from examples.demo.sinks import Reading

ORDERS = "orders"
NUMBERED = "numbered-records"
BOTH = (ORDERS, NUMBERED)

START_SECONDS = 300
"""Bound of an operation that starts jobs: two JVMs each, on however busy a machine."""
END_SECONDS = 120
"""Bound of an operation that ends jobs."""
CHECK_SECONDS = 90
"""Bound until the files show what the jobs have done."""


@dataclass(frozen=True)
class Stage:
    """What every step needs."""

    cluster: Cluster
    screen: Screen
    jobs: Jobs
    feed: Feed


def begin(screen: Screen) -> Cluster:
    """Step 1: a cluster. Raises DemoError."""
    screen.headline("1. A Kubernetes cluster")
    cluster = open_cluster(screen)
    cluster.kubectl.shown("get", "nodes")
    return cluster


def install(cluster: Cluster, screen: Screen) -> None:
    """Step 2: the operator. Raises DemoError."""
    screen.headline("2. The operator: its image, the CRD, the installation")
    bring_images(cluster, screen)
    installation.prepare_namespace(cluster, screen)
    if not cluster.own:
        installation.check_images(cluster, screen)
    installation.install_operator(cluster, screen)


def play(cluster: Cluster, screen: Screen) -> None:
    """Steps 3 to 5: two jobs, and what can be done with them. Raises DemoError."""
    jobs = Jobs(cluster.kubectl)
    feed = Feed(cluster.kubectl)
    stage = Stage(cluster, screen, jobs, feed)
    try:
        _start(stage)
        before = _pause(stage)
        after = _resume(stage, before)
        _run_afresh(stage, after)
    finally:
        feed.close()
        jobs.close()
    _end(stage)


def _start(stage: Stage) -> None:
    screen, kubectl = stage.screen, stage.cluster.kubectl
    screen.headline("3. Two jobs: orders (SQL) and numbered-records (JAR)")
    installation.prepare_volume(stage.cluster, screen)
    stage.feed.start()
    screen.say(f"{stage.feed.given:,} orders lie in a watched directory; more come every 3 s.")
    for name in BOTH:
        kubectl.shown("apply", "-n", NAMESPACE, "-f", f"examples/{name}.yaml")
    _wait(stage, BOTH, "Running", START_SECONDS)
    reading = sinks.read_until(
        kubectl,
        lambda reading: reading.exact and reading.orders.given >= stage.feed.given,
        "both jobs have written something",
        CHECK_SECONDS,
    )
    _show(stage, reading)


def _pause(stage: Stage) -> Reading:
    screen, kubectl = stage.screen, stage.cluster.kubectl
    screen.headline("4a. Pause both: a snapshot is taken, and the pods go")
    _wish(stage, BOTH, "Paused", END_SECONDS)
    _show_no_pods(stage)
    for name in BOTH:
        snapshot = stage.jobs[name].snapshot
        if not snapshot:
            raise DemoError(f"{name} is Paused, and its status names no snapshot")
        screen.say(f"{name}: snapshot {snapshot['id']} of {snapshot['takenAt']}")
        screen.say(f"  {snapshot['path']}")
    reading = sinks.read_until(
        kubectl, lambda reading: reading.exact, "what is written is exact", CHECK_SECONDS
    )
    _show(stage, reading)
    screen.say("Orders keep coming in meanwhile.")
    return reading


def _resume(stage: Stage, before: Reading) -> Reading:
    screen, kubectl = stage.screen, stage.cluster.kubectl
    screen.headline("4b. Resume both: everything goes on where it stopped")
    _wish(stage, BOTH, "Running", START_SECONDS)
    # No order is added while the books are closed: what is missing then is lost.
    with stage.feed.held:
        given = stage.feed.given
        after = sinks.read_until(
            kubectl,
            lambda reading: (
                reading.exact
                and reading.orders.complete
                and reading.numbered.records > before.numbered.records
            ),
            f"all {given:,} orders are counted and the numbered records go on",
            CHECK_SECONDS,
        )
    if after.numbered.name != before.numbered.name or after.orders.given != given:
        raise DemoError(f"Not the same run went on: {after.numbered.name}, {given} orders given")
    _show(stage, after)
    screen.good(
        f"numbered-records went on from {before.numbered.records:,} to"
        f" {after.numbered.records:,} records and orders from {before.orders.written:,} to"
        f" {after.orders.written:,}: {after.numbered.lost + after.orders.missing} lost,"
        f" {after.numbered.doubled + after.orders.doubled} doubled."
    )
    return after


def _run_afresh(stage: Stage, before: Reading) -> None:
    screen, kubectl = stage.screen, stage.cluster.kubectl
    screen.headline("4c. Stop one (its state is discarded) and run it afresh")
    run = stage.jobs[NUMBERED].run
    _wish(stage, (NUMBERED,), "Stopped", END_SECONDS)
    if stage.jobs[NUMBERED].snapshot:
        raise DemoError(f"{NUMBERED} is Stopped, and its status still names a snapshot")
    _wish(stage, (NUMBERED,), "Running", START_SECONDS)
    after = sinks.read_until(
        kubectl,
        lambda reading: reading.exact and len(reading.runs) == len(before.runs) + 1,
        "the new run has written something",
        CHECK_SECONDS,
    )
    _show(stage, after)
    screen.good(
        f"A new run ({run} -> {stage.jobs[NUMBERED].run}): {after.numbered.name} counts from 1"
        f" and is at {after.numbered.sequences[0]:,} for key 0."
    )


def _end(stage: Stage) -> None:
    screen, kubectl = stage.screen, stage.cluster.kubectl
    screen.headline("5. One job in detail")
    kubectl.shown("describe", "streamjob", NUMBERED, "-n", NAMESPACE)
    screen.headline("What to try next")
    for export in stage.cluster.how_to_use:
        screen.output(export)
    screen.output(
        f"""kubectl config set-context --current --namespace={NAMESPACE}
kubectl get streamjobs --watch
kubectl patch streamjob orders --type merge -p '{{"spec":{{"desiredState":"Paused"}}}}'
kubectl patch streamjob orders --type merge -p '{{"spec":{{"desiredState":"Running"}}}}'
kubectl wait --for=condition=Ready streamjob/orders --timeout=5m
kubectl patch streamjob orders --type merge -p '{{"spec":{{"parallelism":2}}}}'      # an Upgrade
kubectl wait --for=condition=Ready streamjob/orders --timeout=5m
kubectl patch streamjob orders --type merge -p '{{"spec":{{"snapshotNonce":"1"}}}}'  # a Snapshot
kubectl delete pod -l streamjob.dev/job=orders            # Flink and the operator recover
kubectl exec streamjob-files -- sh -c 'cd /data/totals && tail -n 3 "$(ls -t part-* | head -n 1)"'
kubectl explain streamjob.spec

The jobs run on. To remove everything: make demo-down"""
    )


def _wish(stage: Stage, names: tuple[str, ...], state: str, timeout: float) -> None:
    """Set the desired state as a user would, and wait until the jobs are there."""
    marks = {name: stage.jobs.mark(name) - 1 for name in names}
    for name in names:
        patch = f'{{"spec":{{"desiredState":"{state}"}}}}'
        stage.cluster.kubectl.shown(
            *("patch", "streamjob", name, "-n", NAMESPACE, "--type", "merge", "-p", patch)
        )
    _wait(stage, names, state, timeout)
    for name in names:
        path = " -> ".join(stage.jobs.states_since(name, marks[name]))
        stage.screen.say(f"{name}: {path}")


def _wait(stage: Stage, names: tuple[str, ...], state: str, timeout: float) -> None:
    began = time.monotonic()
    stage.jobs.wait(names, state, timeout)
    stage.screen.good(f"{' and '.join(names)} {state} after {time.monotonic() - began:.1f} s.")
    stage.cluster.kubectl.shown("get", "streamjobs", "-n", NAMESPACE)


def _show_no_pods(stage: Stage) -> None:
    kubectl = stage.cluster.kubectl
    arguments = ("get", "pods", "-n", NAMESPACE, "-l", "streamjob.dev/job")
    deadline = time.monotonic() + END_SECONDS
    with stage.screen.waiting(lambda: "the pods go"):
        while kubectl.run(*arguments, "-o", "name"):
            if time.monotonic() > deadline:
                raise DemoError("The jobs are Paused, and there still are pods of theirs")
            time.sleep(1)
    stage.screen.command(["kubectl", *arguments])
    stage.screen.output("No resources found")


def _show(stage: Stage, reading: Reading) -> None:
    stage.screen.say("Counted in the committed files:")
    for line in reading.lines():
        stage.screen.say("  " + line)
