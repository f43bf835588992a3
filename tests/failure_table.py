"""docs/failures.md, made from the tests: each failure, what is shown, what is kept, and the proof.

A test that proves a row carries `@pytest.mark.failure(what=..., shown=..., kept=...)`. Tests are
collected, never run. Run as a module: it writes the page, or with `--check` compares it.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "failures.md"
WORDS: Final = ("what", "shown", "kept")
LAYERS: Final = {"unit": "unit", "apiserver": "API server", "cluster": "real Flink"}
"""How a folder below tests/ is named on the page."""

INTRODUCTION: Final = """\
# Failures: what you see, and what is kept

On any failure `status.state` falls back to what the job really is, and a warning tells the cause.
Each row is what its test asserts; a failure can have several. The layers: *unit* runs the operator
against a played cluster and a played Flink, *API server* against a real API server and a played
Flink, *real Flink* on a real cluster.

<!-- Made from the tests by `make docs`. Edit the tests' markers, not this page. -->
"""

FAILURES: Final[dict[str, tuple[str, ...]]] = {
    "Pause": (
        "The snapshot fails, the job runs on",
        "The snapshot takes longer than `pause.timeout`",
        "The job keeps restarting while it is to be paused",
        "A batch job is to be paused",
        "The job dies before its snapshot is complete",
        "The job fails while stopping, its snapshot is complete",
        "The request times out, Flink completes the snapshot later",
        "The request does not reach Flink",
        "A bounded job finishes meanwhile",
        "The job is cancelled from outside meanwhile",
        "Flink can't be asked meanwhile",
        "The JobManager is replaced meanwhile",
        "A Deployment is removed meanwhile",
        "Nobody knows whether the snapshot was completed",
    ),
    "Run and Resume": (
        "The snapshot to resume from is missing",
        "The snapshot to resume from can't be used",
        "A start fails after a checkpoint of its own",
        "The job can't start: its script, program, image, storage or snapshot is at fault",
        "The job can't start: something that time can heal",
        "No room on the nodes",
        "Kubernetes refuses an object",
        "The spec is invalid",
    ),
    "While the job runs": (
        "Flink gives the job up (FAILED)",
        "Nobody knows the newest state of a job that failed",
        "The newest state that lies in the storage is damaged",
        "The job is cancelled from outside",
        "Checkpoints fail again and again",
        "Flink restarts the job",
        "Flink can't be asked",
        "A pod is lost",
        "The JobManager's container ends again and again",
        "A snapshot on demand fails",
    ),
    "Upgrade": (
        "The new spec can't start",
        "Neither the new spec nor the previous one starts",
        "The snapshot for the upgrade fails",
        "The edit is invalid",
    ),
    "Stop and deletion": (
        "Another operation is under way",
        "Flink never ends the cancellation",
        "Pods do not end: their node is lost",
        "The last snapshot of a deletion fails or takes too long",
    ),
    "Changed wishes": (
        "The wish is Running again while the job is being paused",
        "The wish is Paused while the job starts for the first time",
        "The wish is Paused while the job resumes",
        "The spec is edited again during an upgrade",
        "Any wish changes in the middle of any operation",
    ),
    "Kubernetes and the operator": (
        "A child object is deleted by hand",
        "A child object is edited by hand",
        "A foreign object has the name of a child",
        "The record of a run is deleted or edited by hand",
        "HA ConfigMaps deleted by hand",
        "The operator is killed",
        "The API server is away",
        "The leading operator is cut off from the API server",
        "The API server is slow",
        "The API server puts calls off (429)",
        "Watches do not work",
        "A call is answered with an error, or its answer is lost",
        "Others write to the resource meanwhile",
        "The Flink of one job is slow",
        "The clocks of nodes differ",
    ),
}
"""All failures, in the order of the page. One that no test proves any more is an error."""


class Row(NamedTuple):
    """What one test proves of one failure."""

    what: str
    shown: str
    kept: str
    path: str
    test: str

    @property
    def layer(self) -> str:
        """Where it is proved."""
        return LAYERS[self.path.split("/")[1]]


class Collector:
    """A pytest plugin that keeps the markers of all tests found."""

    def __init__(self) -> None:
        self.found: list[tuple[pytest.Mark, str, str]] = []
        """Marker, file and name of the test, in the order of the tests."""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Called by pytest with all tests."""
        for item in session.items:
            path = item.path.relative_to(ROOT).as_posix()
            name = getattr(item, "originalname", item.name)
            self.found += ((marker, path, name) for marker in item.iter_markers("failure"))


def row_of(marker: pytest.Mark, path: str, name: str) -> Row:
    """The row that a marker on a test makes. Raises ValueError where words are missing."""
    words = {word: str(text).strip() for word, text in marker.kwargs.items()}
    if marker.args or set(words) != set(WORDS) or not all(words.values()):
        raise ValueError(f"{path} {name}: failure() takes {', '.join(WORDS)}, none of them empty")
    if any("|" in text or "\n" in text for text in words.values()):
        raise ValueError(f"{path} {name}: words of a table have no | and no line break")
    return Row(**words, path=path, test=name)


def collected() -> list[Row]:
    """Rows of all tests, in their order; the cases of one test share theirs.

    Raises ValueError where tests can't be collected or a marker is wrong.
    """
    collector, told = Collector(), io.StringIO()
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "-c", str(ROOT / "pyproject.toml")]
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        code = pytest.main([*options, str(ROOT / "tests")], plugins=[collector])
    if code != pytest.ExitCode.OK:
        _, _, errors = told.getvalue().partition(" ERRORS ")
        raise ValueError(f"the tests can't be collected:\n{errors or told.getvalue()}")
    return list(dict.fromkeys(row_of(*found) for found in collector.found))


def page_of(rows: Iterable[Row]) -> str:
    """The whole page. Raises ValueError for a failure that is not listed, or proved by no test."""
    rows = sorted(rows, key=lambda row: list(LAYERS.values()).index(row.layer))
    listed = [what for failures in FAILURES.values() for what in failures]
    unknown = sorted({row.what for row in rows} - set(listed))
    if unknown:
        raise ValueError(f"not among FAILURES of {Path(__file__).name}: {'; '.join(unknown)}")
    unproved = [what for what in listed if what not in {row.what for row in rows}]
    if unproved:
        raise ValueError(f"no test proves: {'; '.join(unproved)}")
    return "\n".join([INTRODUCTION, *(_section(title, rows) for title in FAILURES)])


def _section(title: str, rows: list[Row]) -> str:
    head = ["| what fails | what is shown | what is kept | the test |", "|---|---|---|---|"]
    lines = [_line(row) for what in FAILURES[title] for row in rows if row.what == what]
    return "\n".join([f"## {title}", "", *head, *lines, ""])


def _line(row: Row) -> str:
    test = f"[`{row.test}`](../{row.path}) ({row.layer})"
    return f"| {row.what} | {row.shown} | {row.kept} | {test} |"


def main() -> int:
    """Write the page, or compare it; the exit code."""
    parser = argparse.ArgumentParser(description="Makes docs/failures.md from the tests.")
    parser.add_argument("--check", action="store_true", help="write nothing, compare")
    check = parser.parse_args().check
    try:
        page = page_of(collected())
    except ValueError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if not check:
        PAGE.write_text(page, encoding="utf-8")
    elif not PAGE.exists() or PAGE.read_text(encoding="utf-8") != page:
        sys.stderr.write("docs/failures.md is not what the tests say: run `make docs`\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
