"""Start or remove the demonstration: `up`, `down`."""

from __future__ import annotations

import os
import sys

from examples.demo import installation
from examples.demo.clusters import NODE_VOLUME, ROOT, TESTBED, Cluster, open_cluster
from examples.demo.console import DemoError, Screen
from examples.demo.kubectl import NAMESPACE, OPERATOR_NAMESPACE, OPERATOR_PODS
from examples.demo.story import begin, install, play


def main() -> int:
    """Give the exit code: 0 when everything went as promised."""
    os.chdir(ROOT)
    screen = Screen()
    command = sys.argv[1] if len(sys.argv) == 2 else ""  # noqa: PLR2004 - one argument
    if command not in {"up", "down"}:
        screen.bad("usage: python -m examples.demo up|down")
        return 2
    try:
        if command == "up":
            _up(screen)
        else:
            _down(screen)
    except DemoError as error:
        screen.bad(f"\nThe demonstration has stopped: {error}")
        return 1
    except KeyboardInterrupt:
        screen.bad("\nInterrupted. What was made is still there; make demo-down removes it.")
        return 130
    return 0


def _up(screen: Screen) -> None:
    cluster = begin(screen)
    try:
        install(cluster, screen)
        play(cluster, screen)
    except DemoError:
        _show_why(cluster, screen)
        raise


def _down(screen: Screen) -> None:
    if os.environ.get("KUBE_CONTEXT"):
        cluster = open_cluster(screen)
        installation.remove_jobs(cluster, screen)
        installation.remove_operator(cluster, screen)
        screen.good("The demonstration's jobs are removed.")
    else:
        screen.stream("ending the cluster", [TESTBED, "down"])
        if NODE_VOLUME.is_dir():
            screen.stream("removing the volume's files", ["rm", "-rf", NODE_VOLUME])
        screen.good("Everything that the demonstration made is removed.")


def _show_why(cluster: Cluster, screen: Screen) -> None:
    """Show where the cause is most likely to be read; what can't be had is left out."""
    looks = (
        ("get", "streamjobs", "-n", NAMESPACE, "-o", "wide"),
        ("get", "pods", "-n", NAMESPACE),
        ("events", "-n", NAMESPACE, "--types=Warning"),
        ("get", "pods", "-n", OPERATOR_NAMESPACE),
        ("logs", "-n", OPERATOR_NAMESPACE, "-l", OPERATOR_PODS, "--prefix", "--tail=30"),
    )
    for look in looks:
        try:
            cluster.kubectl.shown(*look)
        except DemoError as error:
            screen.say(str(error))
    screen.say("Everything stays as it is, to be looked at:")
    for export in cluster.how_to_use:
        screen.output(export)
    screen.say("Then: make demo, to begin anew, or make demo-down, to remove everything.")


if __name__ == "__main__":
    sys.exit(main())
