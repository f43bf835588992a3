"""What a declared spec amounts to, and what of it is refused before any pod starts."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from streamjob_operator.api.run import JobRef
from streamjob_operator.api.spec import StreamJobSpec
from streamjob_operator.builders.configuration import flink_configuration
from streamjob_operator.decide.resolve import new_record, resolve
from streamjob_operator.errors import InvalidSpec
from streamjob_operator.settings import Settings

pytestmark = pytest.mark.unit

SCRIPT = (
    "CREATE TABLE a (i INT) WITH ('connector' = 'datagen');"
    "CREATE TABLE b (i INT) WITH ('connector' = 'blackhole');"
    "INSERT INTO b SELECT i FROM a;"
)
SQL: dict[str, Any] = {"sql": {"script": SCRIPT}, "storage": {"uri": "s3://bucket/jobs"}}
JAR: dict[str, Any] = {"jar": {"uri": "local:///job.jar"}, "storage": {"uri": "s3://bucket/jobs"}}


def test_sql_needs_a_flink_that_can_run_scripts() -> None:
    spec = StreamJobSpec.model_validate({**SQL, "flinkVersion": "1.20"})
    with pytest.raises(InvalidSpec, match=r"Flink 2\.0 or later"):
        resolve(spec, SCRIPT, Settings())


def test_a_jar_runs_on_the_flink_before() -> None:
    spec = StreamJobSpec.model_validate({**JAR, "flinkVersion": "1.20"})
    assert resolve(spec, None, Settings()).flink_version == "1.20"


def _configured(declared: dict[str, Any]) -> dict[str, str]:
    spec = StreamJobSpec.model_validate(declared)
    record = new_record(
        job=JobRef(name="orders", namespace="shop", uid="1"),
        run=1,
        run_spec=resolve(spec, spec.sql.script if spec.sql else None, Settings()),
        spec=spec,
        restore_path=None,
        settings=Settings(),
        now=datetime(2026, 3, 2, tzinfo=UTC),
    )
    return flink_configuration(record)


def test_pause_timeout_also_bounds_flinks_own_checkpoints() -> None:
    configured = _configured({**JAR, "pause": {"timeout": "25m"}})
    assert configured["execution.checkpointing.timeout"] == "1500 s"


def test_state_of_sql_survives_another_parallelism_unless_the_user_says_otherwise() -> None:
    key = "table.exec.uid.generation"
    assert _configured(SQL)[key] == "ALWAYS"
    assert _configured({**SQL, "flinkConfiguration": {key: "PLAN_ONLY"}})[key] == "PLAN_ONLY"
    assert key not in _configured(JAR)
