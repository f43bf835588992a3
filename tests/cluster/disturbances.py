"""Killing what a test bed runs. Its node is this machine, so containers are killed from outside."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path
from typing import Any, Final

from tests.cluster.choices import Kill, Killing
from tests.cluster.cluster import Cluster

ROOT: Final = Path(__file__).parents[2]
TESTBED: Final = ROOT / "tests" / "testbed" / "testbed"
OPERATOR: Final = ("-n", "streamjob-system")
OPERATOR_PODS: Final = "app.kubernetes.io/name=streamjob-operator"

_BY_FORCE: Final = ("--grace-period=0", "--force", "--wait=false")
_COMPONENT: Final = {
    Kill.JOBMANAGER_PROCESS: "jobmanager",
    Kill.JOBMANAGER_POD: "jobmanager",
    Kill.TASKMANAGER_PROCESS: "taskmanager",
    Kill.TASKMANAGER_POD: "taskmanager",
}
_LEADER: Final = frozenset({Kill.LEADER_PROCESS, Kill.LEADER_POD})
_PROCESS: Final = frozenset(
    {
        Kill.LEADER_PROCESS,
        Kill.STANDBY_PROCESS,
        Kill.JOBMANAGER_PROCESS,
        Kill.TASKMANAGER_PROCESS,
    }
)

Body = dict[str, Any]


def testbed(*args: str) -> str:
    """Run the test bed's script; its output. Raises CalledProcessError."""
    command = [str(TESTBED), *args]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    return done.stdout.strip()


def kill(cluster: Cluster, killing: Killing) -> str:
    """Kill it; returns what was hit, or an empty text where there was nothing to kill."""
    if killing.kill is Kill.API_SERVER:
        testbed("crash-api-server", f"{killing.away:.1f}")
        return f"away for {killing.away:.1f} s and its start"
    component = _COMPONENT.get(killing.kill)
    if component is not None:
        selector = f"streamjob.dev/job={killing.job},app.kubernetes.io/component={component}"
        where: tuple[str, ...] = ()
        pods = cluster.get("pods", "-l", selector)["items"]
    else:
        where = OPERATOR
        pods = _operators(cluster, leading=killing.kill in _LEADER)
    for pod in pods:
        name = str(pod["metadata"]["name"])
        if killing.kill not in _PROCESS:
            cluster.kubectl(*where, "delete", "pod", name, *_BY_FORCE)
            return name
        if killed := kill_containers(pod):
            return f"{name}, processes {killed}"
    return ""


def kill_containers(pod: Body) -> list[int]:
    """SIGKILL to all processes of the pod's containers, as when memory runs out; their ids."""
    killed = []
    for status in pod.get("status", {}).get("containerStatuses", []):
        _, _, identity = status.get("containerID", "").partition("://")
        for pid in _processes(identity) if identity and "running" in status["state"] else ():
            os.kill(pid, signal.SIGKILL)
            killed.append(pid)
    return killed


def _processes(container: str) -> list[int]:
    """The processes of a container's control group; cgroup v1 shows it once per controller."""
    for below in ("memory", "."):
        root = Path("/sys/fs/cgroup") / below
        for file in root.glob(f"*testbed/**/{container}/cgroup.procs"):
            return [int(pid) for pid in file.read_text().split()]
    return []


def _operators(cluster: Cluster, *, leading: bool) -> list[Body]:
    """The pods of the operator that leads, or those that don't."""
    lease = cluster.get(*OPERATOR, "lease", "streamjob-operator")
    holder = (lease["spec"].get("holderIdentity") or "").rsplit("_", 1)[0]
    pods: list[Body] = cluster.get(*OPERATOR, "pods", "-l", OPERATOR_PODS)["items"]
    return [pod for pod in pods if (pod["metadata"]["name"] == holder) is leading]
