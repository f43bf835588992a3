"""When a pod counts as gone: nothing of it runs, and nothing of it can come back."""

from __future__ import annotations

from typing import Any

import pytest

from streamjob_operator.observe_pods import is_live

pytestmark = pytest.mark.unit

RUNS: dict[str, Any] = {"state": {"running": {}}}
ENDED: dict[str, Any] = {"state": {"terminated": {"exitCode": 143}}}

PODS = {
    "runs": ({}, "Running", [RUNS], True),
    "is pending without containers": ({}, "Pending", [], True),
    "is told to go and still runs": ({"deletionTimestamp": "x"}, "Running", [RUNS, ENDED], True),
    "is told to go and was never started": ({"deletionTimestamp": "x"}, "Pending", [], True),
    "is told to go and has ended": ({"deletionTimestamp": "x"}, "Running", [ENDED, ENDED], False),
    "ended and will be restarted": ({}, "Running", [ENDED], True),
    "was evicted": ({}, "Failed", [ENDED], False),
}


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_counts_as_long_as_it(pod: str) -> None:
    metadata, phase, containers, counts = PODS[pod]
    status = {"phase": phase, "containerStatuses": containers}
    assert is_live({"metadata": metadata, "status": status}) is counts
