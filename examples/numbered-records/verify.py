#!/usr/bin/env python3
"""Reads what numbered-records has committed and counts what was lost, doubled or misnumbered.

Only committed files count: the sink's unfinished ones are hidden by a leading dot. While the job
runs, a checkpoint's files appear one after the other, so a look in between can miss some: such a
gap closes within seconds, a lost record stays lost.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Run:
    """What one fresh run, with all its resumed parts, has written."""

    name: str
    records: int
    """Lines in committed files."""
    highest: int
    """The highest record number, counted from 0; -1 where nothing is written."""
    lost: int
    """Numbers from 0 to the highest that are in no file."""
    doubled: int
    """Lines beyond the first with the same number."""
    misnumbered: int
    """Records whose sequence is not their place among the records of their key."""
    sequences: dict[int, int]
    """The highest sequence of each key."""

    @property
    def exact(self) -> bool:
        """Something was written, and nothing is lost, doubled or misnumbered."""
        return self.records > 0 and not (self.lost or self.doubled or self.misnumbered)


@dataclass(frozen=True)
class Report:
    """All fresh runs in a directory, oldest first."""

    runs: tuple[Run, ...]

    @property
    def exact(self) -> bool:
        """There is a run, and every run is exact."""
        return bool(self.runs) and all(run.exact for run in self.runs)

    @property
    def latest(self) -> Run | None:
        """The run that began last."""
        return self.runs[-1] if self.runs else None


def verify(directory: Path) -> Report:
    """Count what lies in the output directory of numbered-records.

    Raises ValueError for a line that is no record, and OSError where files can't be read.
    """
    names = sorted(path.name for path in directory.glob("run-*") if path.is_dir())
    runs = (_verify_run(name, _committed_lines(directory / name)) for name in names)
    return Report(tuple(run for run in runs if run.records))


def _committed_lines(directory: Path) -> list[str]:
    return [
        line
        for path in sorted(directory.iterdir())
        if path.is_file() and not path.name.startswith((".", "_"))
        for line in path.read_text("utf-8").splitlines()
    ]


def _verify_run(name: str, lines: list[str]) -> Run:
    numbers: set[int] = set()
    by_key: defaultdict[int, dict[int, int]] = defaultdict(dict)
    misnumbered = 0
    for line in lines:
        try:
            key, sequence, number = map(int, line.split(","))
        except ValueError as error:
            raise ValueError(f"{name}: {line!r} is no record (key,sequence,number)") from error
        numbers.add(number)
        misnumbered += by_key[key].setdefault(number, sequence) != sequence
    for sequence_of in by_key.values():
        places = enumerate(sorted(sequence_of), start=1)
        misnumbered += sum(sequence_of[number] != place for place, number in places)
    highest = max(numbers, default=-1)
    return Run(
        name=name,
        records=len(lines),
        highest=highest,
        lost=highest + 1 - len(numbers),
        doubled=len(lines) - len(numbers),
        misnumbered=misnumbered,
        sequences={key: max(by_key[key].values()) for key in sorted(by_key)},
    )


def main() -> int:
    """Print the report; exit 0 if every run is exact, 1 if not."""
    parser = argparse.ArgumentParser(description="Counts what numbered-records lost or doubled.")
    parser.add_argument("directory", type=Path, help="the job's --output")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    arguments = parser.parse_args()
    report = verify(arguments.directory)
    if arguments.json:
        print(json.dumps(asdict(report) | {"exact": report.exact}))
    else:
        for run in report.runs:
            print(
                f"{run.name}: {run.records} records, {run.lost} lost, {run.doubled} doubled, "
                f"{run.misnumbered} misnumbered, {len(run.sequences)} keys"
            )
        print("exact" if report.exact else "NOT exact")
    return 0 if report.exact else 1


if __name__ == "__main__":
    sys.exit(main())
