"""What all layers share: how long each took is told at the end."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Seconds and tests by layer: the folder below tests/."""
    seconds: Counter[str] = Counter()
    tests: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                layer = report.nodeid.split("/")[1]
                seconds[layer] += report.duration
                tests[layer] += report.when == "call"
    terminalreporter.section("layers")
    for layer, took in seconds.items():
        terminalreporter.line(f"{layer:<10} {tests[layer]:>5} tests {took:>7.1f} s")
