"""What the jobs of a soak have committed: how much, what is lost, and what is there twice."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.cluster.records import committed_ids, verify


@dataclass(frozen=True)
class Committed:
    """Committed records of one job, in all of its fresh runs."""

    records: int
    """Of all fresh runs."""
    doubled: int
    """Of all fresh runs."""
    lost: int
    """Of the last fresh run: what a Stop has discarded is not lost."""
    misnumbered: int
    """Of the last fresh run."""
    fresh_runs: int


def of_numbered_records(output: Path) -> Committed:
    """What the example's JAR job wrote, counted by its own verify."""
    runs = verify.verify(output).runs if output.exists() else ()
    last = runs[-1] if runs else None
    return Committed(
        records=sum(run.records for run in runs),
        doubled=sum(run.doubled for run in runs),
        lost=last.lost if last else 0,
        misnumbered=last.misnumbered if last else 0,
        fresh_runs=len(runs),
    )


def of_lines(output: Path) -> Committed:
    """What the SQL job wrote: ids from 1, each in a line of its own; a second row is a double."""
    ids = committed_ids(output)
    highest = max(ids, default=0)
    return Committed(
        records=ids.total(),
        doubled=ids.total() - len(ids),
        lost=highest - len(ids),
        misnumbered=0,
        fresh_runs=1 if ids else 0,
    )
