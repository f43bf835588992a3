"""Whatever happens, in any order: the status never lies, and state is neither lost nor doubled.

And when all is well again, the job comes to rest. Every build tries the same examples;
`STREAMJOB_EXAMPLES=1000 STREAMJOB_SEED=7` tries more and others. A program that Hypothesis prints
goes into test_counterexamples.py as it is.
"""

from __future__ import annotations

import os
from typing import Final

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.reconcile.machine import Machine

pytestmark = pytest.mark.unit

EXAMPLES: Final = int(os.environ.get("STREAMJOB_EXAMPLES", "100"))
SEED: Final = os.environ.get("STREAMJOB_SEED")
STEPS: Final = 50


def test_whatever_happens_the_contract_holds() -> None:
    machine = Machine if SEED is None else seed(int(SEED))(Machine)
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            derandomize=SEED is None,
            database=None,
            deadline=None,
            print_blob=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
