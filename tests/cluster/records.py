"""The numbered-records job: its spec, and what it has committed."""

from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.cluster.cluster import Job, wait_for

_EXAMPLE = Path(__file__).parents[2] / "examples" / "numbered-records" / "verify.py"
RECORDS = "numbered-records"


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("numbered_records_verify", _EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


verify = _load()


def numbered_records(jar: Path, *, output: str = RECORDS, **changes: Any) -> dict[str, Any]:
    """The spec of a job that numbers 200 records a second, 8 keys, and commits every 2 seconds."""
    return {
        "jar": {
            "uri": f"local:///data/jars/{jar.name}",
            "mainClass": "dev.streamjob.examples.NumberedRecords",
            "args": ["--output", f"file:///data/{output}", "--rate", "200", "--keys", "8"],
        },
        "parallelism": 2,
        "flinkConfiguration": {"execution.checkpointing.interval": "2 s"},
        **changes,
    }


def report(data: Path, output: str = RECORDS) -> Any:
    """What the job has committed, counted by the example's own verify."""
    return verify.verify(data / output)


def run_that_is(data: Path, look: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until the committed files show it."""
    wait_for(look, "the committed records", seconds, lambda: str(list(data.iterdir())))


def goes_on_exactly(job: Job, output: str = RECORDS, more: int = 200) -> None:
    """More is committed than before, and all of the newest run exactly once."""
    data = job.cluster.data

    def highest() -> int:
        latest = report(data, output).latest
        return latest.highest if latest is not None else -1

    before = highest()
    run_that_is(data, lambda: highest() > before + more)
    # A look between two files of one checkpoint shows a gap that the next look does not.
    run_that_is(data, lambda: bool(report(data, output).latest.exact), seconds=30)


def committed_ids(directory: Path) -> Counter[int]:
    """The ids in the committed files of a SQL job, and how often each is there."""
    files = [file for file in directory.rglob("part-*") if not file.name.startswith(".")]
    return Counter(int(line.split(",")[0]) for file in files for line in file.open())
