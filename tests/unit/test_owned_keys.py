"""Which Flink options a user may set, and whether a refusal says what to do."""

from __future__ import annotations

from decimal import Decimal

import pytest

from streamjob_operator.api import owned_keys
from streamjob_operator.api.owned_keys import refusal
from streamjob_operator.api.run import JobRef, RunRecord, RunSpec
from streamjob_operator.builders.configuration import flink_configuration

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("parallelism.default", "2", "use spec.parallelism"),
        ("kubernetes.cluster-id", "x", "use spec.podTemplate"),
        ("high-availability", "NONE", "belongs to the operator"),
        ("high-availability.storageDir", "s3://b", "belongs to the operator"),
        ("rest.port", "1", "rest.port belongs to the operator"),
        ("$internal.pipeline.job-id", "1", "belongs to the operator"),
        ("env.log.dir", "/x", "only env.java.opts.* may be set"),
        ("env.java.opts", "-Xmx1g", "only env.java.opts.* may be set"),
        ("env.java.opts.all", "-Da=$(id)", "reaches a shell"),
        ("env.java.opts.jobmanager", "-Da=b;id", "reaches a shell"),
        ("s3.secret-key", "x", "from a Secret"),
        ("fs.azure.account.key.acme.blob", "x", "from a Secret"),
        ("My.PassWord", "x", "from a Secret"),
        ("env-java-opts-all", "$(id)", "only env.java.opts.* may be set"),
        ("env.java.default-opts.all", "-Xmx1g", "only env.java.opts.* may be set"),
        ("pipeline.name", "a\nb", "write one line of text"),
    ],
)
def test_a_refusal_names_the_key_and_the_remedy(key: str, value: str, words: str) -> None:
    message = refusal(key, value)
    assert message is not None
    assert message.startswith(key)
    assert words in message


@pytest.mark.parametrize("key", ["", " rest.port", "rest.port ", "rest.port\n", "a:b", "a b"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    assert refusal(key, "1") == owned_keys.KEY_REMEDY


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("state.backend.type", "rocksdb"),
        ("execution.checkpointing.interval", "10s"),
        ("restart-strategy.type", "fixed-delay"),
        ("rest.flamegraph.enabled", "true"),
        ("taskmanager.memory.managed.fraction", "0.1"),
        ("env.java.opts.all", "-XX:+UseG1GC -Da=b --add-opens=java.base/java.lang=ALL-UNNAMED"),
        ("pipeline.name", "$(rm -rf /)"),
    ],
)
def test_everything_else_may_be_set(key: str, value: str) -> None:
    assert refusal(key, value) is None


def record(flink_configuration: dict[str, str]) -> RunRecord:
    return RunRecord(
        job=JobRef(name="orders", namespace="shop", uid="u"),
        run=1,
        spec=RunSpec(flink_configuration=flink_configuration),
        image="flink:2.3.0",
        storage_dir="s3://bucket/jobs/orders",
        gib_per_cu=Decimal(4),
        started_from="Fresh",
    )


def test_whatever_the_operator_sets_is_refused_or_the_users_to_change() -> None:
    """No option of a user is taken and then overruled in silence."""
    for key in flink_configuration(record({})):
        if refusal(key, "1") is None:
            assert flink_configuration(record({key: "1"}))[key] == "1"
