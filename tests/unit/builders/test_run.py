from __future__ import annotations

import copy
import json
from collections.abc import Callable
from typing import Any

import pytest

from streamjob_operator.api.run import RunRecord
from streamjob_operator.builders.run import (
    job_objects,
    owner_reference,
    record_of,
    run_config_map,
    run_objects,
)
from streamjob_operator.errors import InvalidSpec
from tests.unit.builders import records

pytestmark = pytest.mark.unit

OWNER = owner_reference(records.JOB)
RUNS = [records.sql_minimal, records.jar_restored, records.sql_pod_templates]


def _all_objects(run: RunRecord) -> list[dict[str, Any]]:
    shared = job_objects(run.job, OWNER, operator_namespace="streamjob-system")
    return [run_config_map(run, OWNER), *run_objects(run, OWNER), *shared]


@pytest.mark.parametrize("make", RUNS)
def test_a_record_is_read_back_as_it_was(make: Callable[[], RunRecord]) -> None:
    run = make()
    through_the_api = json.loads(json.dumps(run_config_map(run, OWNER)))
    assert record_of(through_the_api) == run


def _changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    config_map = copy.deepcopy(run_config_map(records.sql_minimal(), OWNER))
    change(config_map)
    return config_map


TAMPERED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a file": lambda it: it["data"].update({"job.sql": "DROP"}),
    "the record": lambda it: it["data"].update({"run.json": "{}"}),
    "the configuration": lambda it: it["data"].update({"config.yaml": "a: b"}),
    "a file more": lambda it: it["data"].update({"more": ""}),
    "no hash": lambda it: it["metadata"].pop("annotations"),
    "no data": lambda it: it.pop("data"),
}


@pytest.mark.parametrize("how", TAMPERED)
def test_a_changed_config_map_is_no_record(how: str) -> None:
    with pytest.raises(ValueError, match="orders-run-1 was changed"):
        record_of(_changed(TAMPERED[how]))


def test_the_record_of_another_run_is_none() -> None:
    with pytest.raises(ValueError, match="holds the record of run 1"):
        record_of(_changed(lambda it: it["metadata"].update(name="orders-run-2")))


def test_a_script_too_large_to_be_kept_is_refused_in_words() -> None:
    script = "-- " + "x" * 600_000
    spec = records.sql_minimal().spec.model_copy(update={"script": script})
    with pytest.raises(InvalidSpec, match="shorten the script"):
        run_config_map(records.record(spec, script=script), OWNER)


@pytest.mark.parametrize("make", RUNS)
def test_every_object_is_owned_and_labelled(make: Callable[[], RunRecord]) -> None:
    for body in _all_objects(make()):
        about = body["metadata"]
        assert about["ownerReferences"] == [OWNER]
        assert about["labels"]["streamjob.dev/job"] == "orders"
        assert about["labels"]["app.kubernetes.io/managed-by"] == "streamjob-operator"


def test_equal_records_make_equal_objects_and_others_do_not() -> None:
    def made(run: RunRecord) -> tuple[dict[str, Any], ...]:
        return run_objects(run, OWNER)

    assert made(records.sql_minimal()) == made(records.sql_minimal())
    assert made(records.sql_minimal()) != made(records.record(image="flink:2.2.0"))


@pytest.mark.parametrize(
    ("parallelism", "slots", "replicas"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (1, 8, 1)]
)
def test_task_managers_give_the_parallelism_its_slots(
    parallelism: int, slots: int, replicas: int
) -> None:
    spec = records.sql_minimal().spec
    task_manager = spec.resources.task_manager.model_copy(update={"slots": slots})
    resources = spec.resources.model_copy(update={"task_manager": task_manager})
    run = records.record(
        spec.model_copy(update={"parallelism": parallelism, "resources": resources})
    )
    deployment = next(b for b in run_objects(run, OWNER) if b["metadata"]["name"] == "orders-tm-1")
    assert deployment["spec"]["replicas"] == replicas
