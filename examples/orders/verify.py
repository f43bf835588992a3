#!/usr/bin/env python3
"""Compares the orders that were given to the job with the totals that it has committed.

The job writes one line for every order: the running totals of the order's category, that order
included. So the lines of a category, by their count, must replay its orders one by one. Orders that
are given and not written yet are `missing`: those still under way, and those that were lost. When
nothing new is given, what is under way arrives within seconds; what is lost stays missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Totals:
    """The newest committed totals of one category."""

    orders: int
    quantity: int
    revenue: Decimal


@dataclass(frozen=True)
class Report:
    """What became of the orders."""

    given: int
    """Orders in the watched directory."""
    written: int
    """Lines in committed files."""
    missing: int
    """Orders given that are in no committed file (yet)."""
    doubled: int
    """Lines beyond the first for the same order."""
    wrong: int
    """Lines that do not follow from the line before and the order itself, or of no given order."""
    totals: dict[str, Totals]

    @property
    def exact(self) -> bool:
        """What is written is right: nothing doubled, no total wrong, no count left out."""
        return self.written > 0 and not (self.doubled or self.wrong)

    @property
    def complete(self) -> bool:
        """All that was given is written, and right."""
        return self.exact and not self.missing


def verify(orders: Path, totals: Path) -> Report:
    """Compare the watched directory with the sink's.

    Raises ValueError for a line that is no JSON object, and OSError where files can't be read.
    """
    given = {order["order_id"]: order for order in _lines(orders)}
    written = _lines(totals)
    times = Counter(line["order_id"] for line in written)
    by_category: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for line in written:
        by_category[line["category"]].append(line)
    newest: dict[str, Totals] = {}
    wrong = 0
    for category in sorted(by_category):
        before = Totals(0, 0, Decimal(0))
        for line in sorted(by_category[category], key=lambda line: int(line["orders"])):
            now = Totals(line["orders"], line["quantity"], Decimal(line["revenue"]))
            wrong += now != _plus(before, given.get(line["order_id"]))
            before = now
        newest[category] = before
    return Report(
        given=len(given),
        written=len(written),
        missing=len(given.keys() - times.keys()),
        doubled=len(written) - len(times),
        wrong=wrong,
        totals=newest,
    )


def _plus(before: Totals, order: dict[str, Any] | None) -> Totals | None:
    if order is None:
        return None
    revenue = before.revenue + order["quantity"] * Decimal(order["unit_price"])
    return Totals(before.orders + 1, before.quantity + order["quantity"], revenue)


def _lines(directory: Path) -> list[dict[str, Any]]:
    if not directory.is_dir():
        return []
    return [
        json.loads(line, parse_float=Decimal)
        for path in sorted(directory.iterdir())
        if path.is_file() and not path.name.startswith((".", "_"))
        for line in path.read_text("utf-8").splitlines()
    ]


def main() -> int:
    """Print the report; exit 0 if all orders are written and right, 1 if not."""
    parser = argparse.ArgumentParser(description="Compares given orders with committed totals.")
    parser.add_argument("orders", type=Path, help="the watched directory")
    parser.add_argument("totals", type=Path, help="the sink's directory")
    parser.add_argument("--json", action="store_true", help="print the whole report as JSON")
    arguments = parser.parse_args()
    report = verify(arguments.orders, arguments.totals)
    if arguments.json:
        print(json.dumps(asdict(report) | {"complete": report.complete}, default=str))
    else:
        for category, totals in report.totals.items():
            print(f"{category:12} {totals.orders:7} orders {totals.revenue:12}")
        print(
            f"{report.given} given, {report.written} written, {report.missing} missing, "
            f"{report.doubled} doubled, {report.wrong} wrong"
        )
    return 0 if report.complete else 1


if __name__ == "__main__":
    sys.exit(main())
