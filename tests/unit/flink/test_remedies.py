"""Which remedy a cause leads to, and whether it is worth trying again."""

from __future__ import annotations

from pathlib import Path

import pytest

from streamjob_operator.flink.causes import failure_of_log, failure_of_trace
from streamjob_operator.flink.models import Failure
from streamjob_operator.flink.remedies import remedy_for

pytestmark = pytest.mark.unit

TRACES = Path(__file__).parent / "traces"
TIME, EDIT = True, False


@pytest.mark.parametrize(
    ("name", "heals", "words"),
    [
        ("sql-syntax", EDIT, "line and column"),
        ("sql-comment", EDIT, "line and column"),
        ("sql-object", EDIT, "'missing'"),
        ("sql-column", EDIT, "'nope'"),
        ("sql-function", EDIT, "CREATE TEMPORARY SYSTEM FUNCTION"),
        ("sql-connector", EDIT, "connector 'kafka' for your Flink version to spec.libraries"),
        ("sql-format", EDIT, "format 'avro' to spec.libraries"),
        ("sql-option", EDIT, "Remove the option"),
        ("sql-required", EDIT, "Add the option"),
        ("sql-badvalue", EDIT, "'rows-per-second'"),
        ("sql-types", EDIT, "columns of the SELECT"),
        ("sql-two", EDIT, "STATEMENT SET"),
        ("sql-udf", EDIT, "spec.libraries"),
        ("sql-addjar", EDIT, "ADD JAR"),
        ("sql-path", TIME, "uid 9999"),
        ("main-throws", EDIT, "Mend the program"),
        ("log-jar-missing", EDIT, "spec.jar.uri"),
        ("log-jar-404", EDIT, "spec.jar.uri"),
        ("log-jar-403", EDIT, "without a login"),
        ("log-jar-http-refused-scheme", EDIT, "https://"),
        ("log-jar-https", TIME, "reach the server"),
        ("log-jar-unknown-host", TIME, "reach the server"),
        ("log-jar-local-missing", EDIT, "local://"),
        ("log-jar-page", EDIT, "not to a web page"),
        ("log-jar-s3", EDIT, "ENABLE_BUILT_IN_PLUGINS"),
        ("log-jar-noclass", EDIT, "spec.jar.mainClass"),
        ("log-jar-java21", EDIT, "javac --release"),
        ("log-wrong-class", EDIT, "spec.jar.mainClass"),
        ("log-no-main", EDIT, "spec.jar.mainClass"),
        ("restore-missing", EDIT, "spec.restore.snapshot"),
        ("restore-nometa", EDIT, "spec.restore.snapshot"),
        ("restore-corrupt", EDIT, "damaged"),
        ("restore-truncated", EDIT, "damaged"),
        ("restore-incompatible", EDIT, "spec.restore.allowNonRestoredState"),
        ("restore-scheme", EDIT, "s3://"),
        ("chk-unwritable", TIME, "write below spec.storage.uri"),
        ("chk-file", TIME, "write below spec.storage.uri"),
        ("log-ha-unwritable", TIME, "write below spec.storage.uri"),
        ("svp-unwritable", TIME, "write below spec.storage.uri"),
        ("log-ha-scheme", EDIT, "ENABLE_BUILT_IN_PLUGINS"),
        ("log-mem-small", EDIT, "spec.resources"),
        ("log-mem-bad", EDIT, "'jobmanager.memory.process.size'"),
        ("noslot", TIME, "spec.parallelism"),
        ("oom", TIME, "spec.resources.taskManager.cu"),
        ("failed", TIME, "logs of the job's pods"),
    ],
)
def test_of_real_traces(name: str, heals: bool, words: str) -> None:  # noqa: FBT001
    text = (TRACES / f"{name}.txt").read_text()
    failure = failure_of_log(text) if name.startswith("log-") else failure_of_trace(text)
    assert failure is not None
    remedy = remedy_for(failure)
    assert remedy.heals_by_time is heals
    assert words in remedy.text


@pytest.mark.parametrize(
    ("message", "heals", "words"),
    [
        (
            (
                "OffsetOutOfRangeException: Fetch position FetchPosition{offset=505} is out of "
                "range for partition exp-none-0"
            ),
            EDIT,
            "spec.restore.onExpiredOffsets",
        ),
        (
            (
                "NoOffsetForPartitionException: Undefined offset with no reset policy for "
                "partitions: [in-1, in-0]"
            ),
            EDIT,
            "spec.startFrom.position",
        ),
        (
            (
                "KafkaException: The transaction timeout is larger than the maximum value "
                "allowed by the broker (as configured by transaction.max.timeout.ms)."
            ),
            EDIT,
            "properties.transaction.timeout.ms",
        ),
        (
            "SaslAuthenticationException: Authentication failed: Invalid username or password",
            EDIT,
            "Secret",
        ),
        ("TopicAuthorizationException: Not authorized to access topics: [a]", EDIT, "the right"),
        (
            "UnknownTopicOrPartitionException: This server does not host this topic-partition.",
            TIME,
            "Create the topic",
        ),
        (
            "TimeoutException: Timed out waiting for a node assignment. Call: listNodes",
            TIME,
            "properties.bootstrap.servers",
        ),
        (
            "ConfigException: No resolvable bootstrap urls given in bootstrap.servers",
            TIME,
            "resolve the host names",
        ),
        ("IOException: No space left on device", TIME, "Free space"),
        (
            (
                "UnknownStoreException: `s3a://b/x': getFileStatus on s3a://b/x: "
                "NoSuchBucketException: The specified bucket does not exist"
            ),
            TIME,
            "Create the bucket",
        ),
        ("Checkpoint expired before completing.", TIME, "spec.pause.timeout"),
        ("StateMigrationException: The new state serializer is incompatible", EDIT, "Stateless"),
        ("ClassNotFoundException: com.acme.Nope", EDIT, "spec.libraries"),
        ("ConnectException: Connection refused", TIME, "pods reach it"),
        ("SomethingNewException: never heard of", TIME, "logs of the job's pods"),
    ],
)
def test_of_causes_seen_elsewhere(message: str, heals: bool, words: str) -> None:  # noqa: FBT001
    remedy = remedy_for(Failure(message, exception=message.split(":", maxsplit=1)[0]))
    assert remedy.heals_by_time is heals
    assert words in remedy.text


def test_what_the_cause_says_is_quoted_and_not_interpreted() -> None:
    remedy = remedy_for(Failure(r"Object '\1 \g<0> {0}' not found"))
    assert r"'\1 \g<0> {0}'" in remedy.text
