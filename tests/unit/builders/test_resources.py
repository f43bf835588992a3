from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjob_operator.builders.resources import (
    SMALLEST_MIB,
    PodSize,
    checked_size,
    jobmanager_memory,
    pod_size,
    smallest_cu,
    taskmanager_memory,
)
from streamjob_operator.errors import InvalidSpec

pytestmark = pytest.mark.unit

CUS = st.decimals(min_value="0.001", max_value="512", places=3)
GIBS = st.sampled_from([Decimal(text) for text in ("1", "2", "3.5", "4", "8")])
JOBMANAGER_MIBS = st.integers(min_value=SMALLEST_MIB, max_value=16_384)
TASKMANAGER_MIBS = st.integers(min_value=SMALLEST_MIB, max_value=65_536)

# Flink's own division where nothing is set, in MiB: JobManagerOptions and TaskManagerOptions.
FLINK_DEFAULTS = {
    "jobmanager.memory.jvm-metaspace.size": 256,
    "jobmanager.memory.off-heap.size": 128,
    "taskmanager.memory.jvm-metaspace.size": 256,
    "taskmanager.memory.framework.heap.size": 128,
    "taskmanager.memory.framework.off-heap.size": 128,
    "taskmanager.memory.network.min": 64,
}


@pytest.mark.parametrize(
    ("cu", "gib_per_cu", "millicores", "memory_mib"),
    [
        ("1", "4", 1000, 4096),
        ("0.5", "4", 500, 2048),
        ("0.1", "4", 100, 409),
        ("2", "2", 2000, 4096),
        ("0.0001", "4", 1, 0),
        ("1.5", "3.5", 1500, 5376),
    ],
)
def test_pod_size(cu: str, gib_per_cu: str, millicores: int, memory_mib: int) -> None:
    assert pod_size(Decimal(cu), Decimal(gib_per_cu)) == PodSize(millicores, memory_mib)


@given(CUS, GIBS)
def test_a_pod_never_holds_more_memory_than_declared(cu: Decimal, gib: Decimal) -> None:
    size = pod_size(cu, gib)
    assert size.memory_mib <= cu * gib * 1024 < size.memory_mib + 1
    assert size.millicores - 1 < cu * 1000 <= size.millicores


@given(CUS, GIBS)
def test_only_a_pod_below_one_cpu_may_use_more_than_it_requests(cu: Decimal, gib: Decimal) -> None:
    size = pod_size(cu, gib)
    resources = size.kubernetes()
    assert resources["requests"]["memory"] == resources["limits"]["memory"]
    assert resources["limits"]["cpu"] == f"{max(size.millicores, 1000)}m"


@given(GIBS)
def test_what_the_refusal_names_is_accepted(gib: Decimal) -> None:
    checked_size("jobManager", smallest_cu(SMALLEST_MIB, gib), gib)


@pytest.mark.parametrize("component", ["jobManager", "taskManager"])
def test_too_small_is_refused_in_words(component: str) -> None:
    with pytest.raises(InvalidSpec, match=rf"{component}\.cu: 0\.05 CU are 204 M.*at least 0\.13"):
        checked_size(component, Decimal("0.05"), Decimal(4))


def _mib(settings: dict[str, str], key: str) -> int:
    return int(settings[key].removesuffix("m")) if key in settings else FLINK_DEFAULTS[key]


def _overhead(settings: dict[str, str], component: str, process: int) -> int:
    key = f"{component}.memory.jvm-overhead.min"
    return _mib(settings, key) if key in settings else max(192, min(process // 10, 1024))


@given(JOBMANAGER_MIBS)
def test_a_jobmanager_keeps_a_heap_that_flink_accepts(process: int) -> None:
    settings = jobmanager_memory(PodSize(1, process))
    heap = process - _overhead(settings, "jobmanager", process)
    heap -= _mib(settings, "jobmanager.memory.jvm-metaspace.size")
    heap -= _mib(settings, "jobmanager.memory.off-heap.size")
    assert heap >= 192


@given(TASKMANAGER_MIBS)
def test_a_taskmanager_keeps_a_heap_for_its_tasks(process: int) -> None:
    settings = taskmanager_memory(PodSize(1, process))
    flink = process - _overhead(settings, "taskmanager", process)
    flink -= _mib(settings, "taskmanager.memory.jvm-metaspace.size")
    managed = flink * Decimal(settings.get("taskmanager.memory.managed.fraction", "0.4"))
    network = max(_mib(settings, "taskmanager.memory.network.min"), min(flink // 10, 1024))
    heap = flink - managed - network
    heap -= _mib(settings, "taskmanager.memory.framework.heap.size")
    heap -= _mib(settings, "taskmanager.memory.framework.off-heap.size")
    assert heap >= 64
