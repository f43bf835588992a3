"""The numbered-records job: its spec, and what it has committed."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from tests.cluster.cluster import wait_for

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
