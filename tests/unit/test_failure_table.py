"""The page of failures is what the tests say."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.failure_table import FAILURES, ROOT, Row, page_of, row_of

pytestmark = pytest.mark.unit

WORDS = {"what": "It breaks", "shown": "Stopped", "kept": "the snapshot"}
FILE = "tests/unit/test_it.py"


def test_the_page_in_docs_is_what_the_tests_say() -> None:
    # A process of its own, because pytest does not collect within a run of pytest.
    command = [sys.executable, "-m", "tests.failure_table", "--check"]
    checked = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )

    assert checked.returncode == 0, checked.stderr


@pytest.mark.parametrize(
    "words",
    [
        WORDS | {"shown": ""},
        WORDS | {"kept": "  "},
        {"what": "It breaks", "shown": "Stopped"},
        WORDS | {"why": "bad luck"},
        WORDS | {"shown": "Running | Paused"},
    ],
    ids=["empty", "blank", "missing", "unknown", "breaks-the-table"],
)
def test_a_marker_without_its_words_is_an_error(words: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="test_it"):
        row_of(pytest.mark.failure(**words).mark, FILE, "test_it")


def test_rows_stand_in_the_order_of_the_failures_and_link_their_test() -> None:
    listed = [what for failures in FAILURES.values() for what in failures]
    rows = [Row(what, "Stopped", "the snapshot", FILE, "test_it") for what in reversed(listed)]

    page = page_of(rows)

    told = [line for line in page.splitlines() if "test_it" in line]
    assert [line.split(" | ")[0].removeprefix("| ") for line in told] == listed
    assert told[0].endswith(
        "| Stopped | the snapshot | [`test_it`](../tests/unit/test_it.py) (unit) |"
    )


def test_a_failure_that_no_test_proves_any_more_is_an_error() -> None:
    listed = [what for failures in FAILURES.values() for what in failures]
    rows = [Row(what, "Stopped", "the snapshot", FILE, "test_it") for what in listed[1:]]

    with pytest.raises(ValueError, match=f"no test proves: {listed[0]}"):
        page_of(rows)


def test_a_failure_that_is_not_listed_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"not among FAILURES.*: It breaks"):
        page_of([Row("It breaks", "Stopped", "the snapshot", FILE, "test_it")])
