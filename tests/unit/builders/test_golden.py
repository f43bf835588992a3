"""All objects of three runs, compared with files. UPDATE_GOLDEN=1 writes the files anew."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from streamjob_operator.api.run import RunRecord
from streamjob_operator.builders.run import (
    job_objects,
    owner_reference,
    run_config_map,
    run_objects,
)
from tests.unit.builders import records

GOLDEN = Path(__file__).parent / "golden"

pytestmark = pytest.mark.unit


class _Dumper(yaml.SafeDumper):
    """Long texts as they are read, and no references between equal parts."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = "|" if "\n" in value else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Dumper.add_representer(str, _text)


def compare(name: str, objects: tuple[dict[str, Any], ...]) -> None:
    path = GOLDEN / f"{name}.yaml"
    text = yaml.dump_all(objects, Dumper=_Dumper, sort_keys=False, width=1000)
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text)
    assert list(yaml.safe_load_all(path.read_text())) == list(yaml.safe_load_all(text))


@pytest.mark.parametrize(
    "make", [records.sql_minimal, records.jar_restored, records.sql_pod_templates]
)
def test_objects_of_a_run(make: Callable[[], RunRecord]) -> None:
    run = make()
    owner = owner_reference(run.job)
    config_map, objects = run_config_map(run, owner), run_objects(run, owner)
    kept = config_map["data"].pop("objects.json")
    assert tuple(json.loads(kept)) == objects
    compare(make.__name__, (config_map, *objects))


def test_objects_of_a_job() -> None:
    owner = owner_reference(records.JOB)
    objects = job_objects(
        records.JOB,
        owner,
        operator_namespace="streamjob-system",
        metrics_namespace="monitoring",
    )
    compare("job_objects", objects)
