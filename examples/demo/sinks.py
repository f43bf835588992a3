"""What the two jobs have written, read from their committed files and counted."""

from __future__ import annotations

import importlib.util
import io
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from examples.demo.console import DemoError
from examples.demo.feed import FILES_POD
from examples.demo.kubectl import NAMESPACE, Kubectl
from examples.orders import verify as orders_files

_EXAMPLES = Path(__file__).resolve().parents[1]


def _module(name: str, path: Path) -> ModuleType:
    """Load a module whose directory has a name that Python can't import."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


numbered_files = _module("numbered_records_verify", _EXAMPLES / "numbered-records/verify.py")


@dataclass(frozen=True)
class Reading:
    """Both sinks at one moment."""

    numbered: Any
    """The latest run of numbered-records: `Run` of its verify.py."""
    runs: tuple[Any, ...]
    """All runs of numbered-records, oldest first."""
    orders: orders_files.Report

    @property
    def exact(self) -> bool:
        """Nothing is lost, doubled or wrong in what is written."""
        return bool(self.runs) and all(run.exact for run in self.runs) and self.orders.exact

    def lines(self) -> list[str]:
        """Say what was counted."""
        written = [
            f"numbered-records  {run.name}: {run.records:,} records of {len(run.sequences)} keys,"
            f" key 0 is at {run.sequences.get(0, 0):,};"
            f" {run.lost} lost, {run.doubled} doubled, {run.misnumbered} misnumbered"
            for run in self.runs
        ]
        report = self.orders
        revenue = sum(totals.revenue for totals in report.totals.values())
        categories = (f"{name} {totals.orders:,}" for name, totals in report.totals.items())
        written.append(
            f"orders            {report.given:,} came in, {report.written:,} are in the totals,"
            f" {report.missing:,} not yet; revenue {revenue:,.2f};"
            f" {report.doubled} doubled, {report.wrong} wrong"
        )
        written.append(f"                  {', '.join(categories)}")
        return written


def read(kubectl: Kubectl) -> Reading:
    """Fetch both sinks through the files pod and count. Raises DemoError."""
    # Hidden files are not committed yet. The jobs write meanwhile, so tar may find a directory
    # changed, which it tells by exit code 1; committed files do not change.
    pack = (
        "cd /data && { tar cf - --exclude='.*' --warning=no-file-changed"
        " orders totals numbered-records || [ $? -eq 1 ]; }"
    )
    packed = kubectl.run_bytes(
        *("exec", "-n", NAMESPACE, FILES_POD, "--", "sh", "-c", pack), timeout=60
    )
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
            archive.extractall(directory, filter="data")
        numbered = numbered_files.verify(directory / "numbered-records")
        orders = orders_files.verify(directory / "orders", directory / "totals")
    return Reading(numbered.latest, numbered.runs, orders)


def read_until(
    kubectl: Kubectl, condition: Callable[[Reading], bool], what: str, timeout: float
) -> Reading:
    """Read until the condition holds: a checkpoint's files appear one after the other.

    Raises DemoError with the last numbers after `timeout` s: what is lost or doubled stays so.
    """
    deadline = time.monotonic() + timeout
    with kubectl.screen.waiting(lambda: f"waiting until {what}"):
        while True:
            reading = read(kubectl)
            if condition(reading):
                return reading
            if time.monotonic() > deadline:
                counted = "\n".join(reading.lines())
                raise DemoError(f"Still not the case after {timeout:.0f} s: {what}.\n{counted}")
            time.sleep(2)
