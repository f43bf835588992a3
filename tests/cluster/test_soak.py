"""The soak, short: wishes change while operator, Flink and API server are killed at random."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.cluster.cluster import Cluster
from tests.cluster.disturbances import ROOT
from tests.cluster.soak import Soak

MINUTES = float(os.environ.get("STREAMJOB_SOAK_MINUTES", "0"))
SEED = int(os.environ.get("STREAMJOB_SOAK_SEED") or random.randrange(1_000_000))


@pytest.mark.skipif(not MINUTES, reason="runs for STREAMJOB_SOAK_MINUTES")
def test_nothing_is_lost_or_doubled_and_the_state_never_lies(
    cluster: Cluster, numbered_jar: Path
) -> None:
    outcome = Soak(cluster, numbered_jar, SEED, ROOT / "build" / f"soak-{SEED}").run(MINUTES)
    assert not outcome.broken, f"{outcome}\nsee build/soak-{SEED}/journal.log"
    assert outcome.tally.looks > 6 * MINUTES, "the watcher has not watched"
