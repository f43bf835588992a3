"""CU arithmetic: from compute units to what a pod holds and how Flink divides its memory.

1 CU is 1 CPU and the operator's GiB per CU. Flink is told that the whole of the container's memory
is its own. How Flink divides a process is described in its
documentation, "Set up Flink's Process Memory".
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from streamjob_operator.errors import InvalidSpec

_MILLICORES: Final = 1000
_MIB_PER_GIB: Final = 1024

SMALLEST_MIB: Final = 512
"""Below this a JobManager that plans SQL is killed for want of memory, however it is divided: Flink
2.3 with Kubernetes HA was killed at 409 MiB. A TaskManager gets along with less only until a
connector is loaded."""

_ROOMY_MIB: Final = 1536
"""From here on Flink's own division leaves a heap that works; below, its fixed parts eat it up."""

_QUICK_COMPILER: Final = "-XX:TieredStopAtLevel=1"
"""Without the optimising compiler a JVM starts sooner and needs some 80 MiB less."""


@dataclass(frozen=True)
class PodSize:
    """What one pod holds. A small pod may use up to one CPU while there is room on its node."""

    millicores: int
    memory_mib: int

    def kubernetes(self) -> dict[str, dict[str, str]]:
        """The container's `resources`."""
        memory = f"{self.memory_mib}Mi"
        return {
            "requests": {"cpu": f"{self.millicores}m", "memory": memory},
            # A JVM held to a fraction of a CPU takes minutes to come up and misses heartbeats.
            "limits": {"cpu": f"{max(self.millicores, _MILLICORES)}m", "memory": memory},
        }


def pod_size(cu: Decimal, gib_per_cu: Decimal) -> PodSize:
    """The size of a pod of so many CU: CPU rounded up to a millicore, memory down to a MiB."""
    millicores = (cu * _MILLICORES).to_integral_value(ROUND_CEILING)
    memory = (cu * gib_per_cu * _MIB_PER_GIB).to_integral_value(ROUND_FLOOR)
    return PodSize(millicores=int(millicores), memory_mib=int(memory))


def smallest_cu(memory_mib: int, gib_per_cu: Decimal) -> Decimal:
    """The fewest CU, in hundredths, that hold so much memory."""
    exact = Decimal(memory_mib) / (gib_per_cu * _MIB_PER_GIB)
    return exact.quantize(Decimal("0.01"), ROUND_CEILING)


def checked_size(component: str, cu: Decimal, gib_per_cu: Decimal) -> PodSize:
    """The size of a pod of `component`, a field of `spec.resources`.

    Raises InvalidSpec below the smallest that starts, naming that.
    """
    size = pod_size(cu, gib_per_cu)
    if size.memory_mib < SMALLEST_MIB:
        raise InvalidSpec(
            f"spec.resources.{component}.cu: {cu} CU are {size.memory_mib} MiB of memory, and Flink"
            f" needs {SMALLEST_MIB} MiB: set at least {smallest_cu(SMALLEST_MIB, gib_per_cu)}"
        )
    return size


def jobmanager_memory(size: PodSize) -> dict[str, str]:
    """Division of a JobManager's memory where Flink's own would not fit; the user's goes first."""
    if size.memory_mib >= _ROOMY_MIB:
        return {}
    return _common_memory("jobmanager", size) | {
        # Planning SQL loads classes by the thousand, Kubernetes HA some more.
        "jobmanager.memory.jvm-metaspace.size": _share(size, Decimal("0.3125"), 160, 256),
        "jobmanager.memory.off-heap.size": _share(size, Decimal("0.083"), 32, 128),
    }


def taskmanager_memory(size: PodSize) -> dict[str, str]:
    """Division of a TaskManager's memory where Flink's own would not fit; the user's goes first."""
    if size.memory_mib >= _ROOMY_MIB:
        return {}
    return _common_memory("taskmanager", size) | {
        "taskmanager.memory.jvm-metaspace.size": _share(size, Decimal("0.25"), 128, 256),
        "taskmanager.memory.framework.heap.size": _share(size, Decimal("0.125"), 64, 128),
        "taskmanager.memory.framework.off-heap.size": _share(size, Decimal("0.125"), 64, 128),
        "taskmanager.memory.network.min": _share(size, Decimal("0.0625"), 32, 64),
        # State lies on the heap unless the user asks for RocksDB, which lives on managed memory.
        "taskmanager.memory.managed.fraction": "0.1",
    }


def jobmanager_java_options(size: PodSize) -> str:
    """JVM options of a JobManager: with less than a CPU, starting up is what keeps it busy."""
    small = size.memory_mib < _ROOMY_MIB or size.millicores < _MILLICORES
    return _QUICK_COMPILER if small else ""


def taskmanager_java_options(size: PodSize) -> str:
    """JVM options of a TaskManager: its throughput is only given up where memory is short."""
    return _QUICK_COMPILER if size.memory_mib < _ROOMY_MIB else ""


def _common_memory(component: str, size: PodSize) -> dict[str, str]:
    overhead = _share(size, Decimal("0.1875"), 96, 192)
    return {
        f"{component}.memory.jvm-overhead.min": overhead,
        f"{component}.memory.jvm-overhead.max": overhead,
    }


def _share(size: PodSize, fraction: Decimal, low: int, high: int) -> str:
    """A part of the whole in MiB within its bounds, as Flink writes it."""
    return f"{max(low, min(int(size.memory_mib * fraction), high))}m"
