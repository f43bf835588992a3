from __future__ import annotations

from collections.abc import Callable

import pytest
import yaml

from streamjob_operator.api.owned_keys import refusal
from streamjob_operator.api.run import RunRecord
from streamjob_operator.builders.configuration import config_yaml, flink_configuration
from tests.unit.builders import records

pytestmark = pytest.mark.unit


def _configured(**settings: str) -> dict[str, str]:
    given = {key.replace("__", "."): value for key, value in settings.items()}
    spec = records.sql_minimal().spec.model_copy(update={"flink_configuration": given})
    return flink_configuration(records.record(spec))


def test_the_users_settings_go_before_defaults() -> None:
    assert _configured()["heartbeat.timeout"] == "12 s"
    assert _configured(heartbeat__timeout="50 s")["heartbeat.timeout"] == "50 s"


def test_the_users_settings_never_go_before_the_operators() -> None:
    assert _configured(parallelism__default="3") == _configured()


def test_every_setting_is_text_on_one_line_and_read_back_by_yaml() -> None:
    run = records.sql_pod_templates()
    assert yaml.safe_load(config_yaml(run)) == flink_configuration(run)
    assert len(config_yaml(run).splitlines()) == len(flink_configuration(run))


def test_both_names_of_a_runs_cluster_are_its_own() -> None:
    one, two = (flink_configuration(records.record(run=run)) for run in (1, 2))
    for key in ("kubernetes.cluster-id", "high-availability.cluster-id"):
        assert one[key] != two[key]


@pytest.mark.parametrize("make", [records.sql_minimal, records.jar_restored])
def test_no_setting_that_users_may_make_is_overruled(make: Callable[[], RunRecord]) -> None:
    run = make()
    allowed = {key: "mine" for key in flink_configuration(run) if refusal(key, "x") is None}
    spec = run.spec.model_copy(update={"flink_configuration": allowed})
    settings = flink_configuration(run.model_copy(update={"spec": spec}))
    assert {key: settings[key] for key in allowed} == allowed
