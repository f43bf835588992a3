"""Real traces and log tails of Flink 2.3, and the line that is made of each."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from streamjob_operator.flink.causes import failure_of_log, failure_of_trace, savepoint_named_in
from streamjob_operator.flink.models import Failure

pytestmark = pytest.mark.unit

TRACES = Path(__file__).parent / "traces"

IN_PROGRAM = {
    "sql-syntax": 'SQL parse failed. Encountered "src" at line 2, column 32.',
    "sql-comment": 'SqlParserEOFException: Encountered "<EOF>" at line 1, column 10.',
    "sql-object": (
        "SQL validation failed. From line 2, column 32 to line 2, column 38: "
        "Object 'missing' not found"
    ),
    "sql-column": (
        "SQL validation failed. From line 2, column 24 to line 2, column 27: "
        "Column 'nope' not found in any table"
    ),
    "sql-function": (
        "SQL validation failed. From line 2, column 24 to line 2, column 32: "
        "No match found for function signature nofun(<NUMERIC>)"
    ),
    "sql-connector": (
        "Table k: Could not find any factory for identifier 'kafka' that implements "
        "'org.apache.flink.table.factories.DynamicTableFactory' in the classpath."
    ),
    "sql-format": (
        "Table o: Could not find any format factory for identifier 'avro' in the classpath."
    ),
    "sql-option": "Table o: Unsupported options found for 'datagen'. Unsupported options: nosuch",
    "sql-required": (
        "Table o: One or more required options are missing. Missing required options are: path"
    ),
    "sql-badvalue": (
        "Table o: IllegalArgumentException: Could not parse value '…' for key 'rows-per-second'"
    ),
    "sql-types": (
        "Column types of query result and sink for 'snk' do not match. Cause: Incompatible types "
        "for sink column 'id' at position 1. Query schema: [EXPR$0: CHAR(1) NOT NULL] "
        "Sink schema: [id: INT]"
    ),
    "sql-udf": (
        "Could not register temporary system function 'f' due to implementation errors: "
        "ClassNotFoundException: com.acme.Nope"
    ),
    "sql-addjar": (
        "Could not register the specified resource [ResourceUri{resourceType=JAR, "
        "uri='file:///data/nope.jar'}]: FileNotFoundException: jar or artifact resource "
        "[file:/data/nope.jar] not found."
    ),
    "sql-two": "DuplicateJobSubmissionException: Job has already been submitted.",
    "main-throws": "IllegalArgumentException: --rate must be positive",
}

OF_THE_JOB = {
    "restore-missing": (
        "FileNotFoundException: Cannot find checkpoint or savepoint file/directory "
        "'file:///data/svp/nope' on file system 'file'."
    ),
    "restore-missing-application": (
        "FileNotFoundException: Cannot find checkpoint or savepoint file/directory "
        "'file:///data/svp/nope' on file system 'file'."
    ),
    "restore-nometa": (
        "FileNotFoundException: Cannot find meta data file '_metadata' in directory "
        "'file:/data/svp/nometa'."
    ),
    "restore-corrupt": (
        "The snapshot could not be restored: IOException: Unexpected magic number."
    ),
    "restore-truncated": "The snapshot could not be restored: EOFException",
    "restore-incompatible": (
        "The snapshot could not be restored: IllegalStateException: Failed to rollback to "
        "checkpoint/savepoint file:/data/svp/savepoint-ababab-e0994033a193. Cannot map "
        "checkpoint/savepoint state for operator b71731f1c0df9c3076c4a455334d0ad6 to the new "
        "program, because the operator is not available in the new program."
    ),
    "restore-scheme": (
        "UnsupportedFileSystemSchemeException: Could not find a file system implementation for "
        "scheme 's3'. The scheme is directly supported by Flink through the following plugin(s): "
        "flink-s3-fs-hadoop, flink-s3-fs-presto."
    ),
    "chk-unwritable": (
        "Failed to create checkpoint storage at checkpoint coordinator side: IOException: Failed "
        "to create directory for shared state: "
        "file:/root/nope/abababababababababababababababab/shared"
    ),
    "chk-file": (
        "Failed to create checkpoint storage at checkpoint coordinator side: "
        "FileAlreadyExistsException: /etc/hostname"
    ),
    "noslot": ("NoResourceAvailableException: Could not acquire the minimum required resources."),
    "oom": "OutOfMemoryError: Java heap space",
    "failed": "IllegalStateException: record 40 is bad: IOException: https://h/x said no",
    "restarting": "IllegalStateException: record 60 is bad: IOException: https://h/x said no",
    "sql-path": (
        "Could not enumerate file splits: FileNotFoundException: File /data/nope does not exist "
        "or the user running Flink ('?') has insufficient permissions to access it."
    ),
    "svp-unwritable": "IOException: Failed to create savepoint directory at file:/root/nope",
    "svp-nojob": (
        "FlinkJobNotFoundException: Could not find Flink job (00000000000000000000000000000000)"
    ),
    "dispose-missing": (
        "FileNotFoundException: Cannot find checkpoint or savepoint file/directory "
        "'file:/data/svp/savepoint-ababab-594e1ce6b4ae' on file system 'file'."
    ),
}

OF_LOGS = {
    "log-jar-missing": (
        "A jar could not be fetched: FileNotFoundException: /data/jars/nope.jar "
        "(No such file or directory)"
    ),
    "log-jar-404": (
        "A jar could not be fetched: FileNotFoundException: http://repo.example.com/job.jar"
    ),
    "log-jar-403": (
        "A jar could not be fetched: IOException: Server returned HTTP response code: 403 for "
        "URL: http://repo.example.com/secret.jar"
    ),
    "log-jar-http-refused-scheme": (
        "A jar could not be fetched: IllegalArgumentException: Artifact fetching from raw HTTP "
        "endpoints are disabled. Set the 'user.artifacts.raw-http-enabled' property to override."
    ),
    "log-jar-https": "A jar could not be fetched: ConnectException: Connection refused",
    "log-jar-unknown-host": "A jar could not be fetched: UnknownHostException: nosuch.invalid",
    "log-jar-local-missing": "JAR file does not exist '/opt/flink/usrlib/nope.jar'",
    "log-jar-page": (
        "IOException: Error while opening jar file '/opt/flink/art/page.jar': "
        "ZipException: zip END header not found"
    ),
    "log-jar-noclass": (
        "Neither a 'Main-Class', nor a 'program-class' entry was found in the jar file."
    ),
    "log-jar-java21": (
        "The program's entry point class 'Newer' could not be loaded due to a linkage failure: "
        "UnsupportedClassVersionError: Newer has been compiled by a more recent version of the "
        "Java Runtime (class file version 65.0), this version of the Java Runtime only "
        "recognizes class file versions up to 61.0"
    ),
    "log-wrong-class": (
        "The program's entry point class 'com.acme.Nope' was not found in the jar file."
    ),
    "log-termination-wrong-class": (
        "The program's entry point class 'com.acme.Nope' was not found in the jar file."
    ),
    "log-no-main": "The given program class does not have a main(String[]) method.",
    "log-ha-unwritable": (
        "IllegalStateException: The base directory of the JobResultStore isn't accessible. "
        "No dirty JobResults can be restored."
    ),
    "log-mem-small": (
        "IllegalConfigurationException: Sum of configured JVM Metaspace (256.000mb (268435456 "
        "bytes)) and JVM Overhead (192.000mb (201326592 bytes)) exceed configured Total Process "
        "Memory (100.000mb (104857600 bytes))."
    ),
    "log-mem-bad": (
        "IllegalArgumentException: Could not parse value '…' for key "
        "'jobmanager.memory.process.size'"
    ),
}


def failure_in(name: str) -> Failure:
    text = (TRACES / f"{name}.txt").read_text()
    failure = failure_of_log(text) if name.startswith("log-") else failure_of_trace(text)
    assert failure is not None
    return failure


@pytest.mark.parametrize(("name", "message"), IN_PROGRAM.items(), ids=IN_PROGRAM.keys())
def test_a_script_or_program_that_fails(name: str, message: str) -> None:
    failure = failure_in(name)
    assert failure.message == message
    assert failure.in_program


@pytest.mark.parametrize(("name", "message"), OF_THE_JOB.items(), ids=OF_THE_JOB.keys())
def test_a_job_that_fails(name: str, message: str) -> None:
    failure = failure_in(name)
    assert failure.message == message
    assert not failure.in_program


@pytest.mark.parametrize(("name", "message"), OF_LOGS.items(), ids=OF_LOGS.keys())
def test_a_jobmanager_that_died_before_it_could_be_asked(name: str, message: str) -> None:
    assert failure_in(name).message == message


@pytest.mark.parametrize("path", sorted(TRACES.iterdir()), ids=lambda path: path.stem)
def test_no_option_value_survives(path: Path) -> None:
    text = path.read_text()
    for failure in (failure_of_log(text), failure_of_trace(text)):
        assert failure is None or "sesame" not in failure.message


@pytest.mark.parametrize(
    ("trace", "message", "exception"),
    [
        ("", "no cause given", ""),
        ("java.lang.OutOfMemoryError", "OutOfMemoryError", "OutOfMemoryError"),
        ("Checkpoint expired before completing.", "Checkpoint expired before completing.", ""),
        (
            "java.lang.Exception: ValidationException: Unsupported options: x\n\tat a.B.c(D.java)",
            "Unsupported options: x",
            "ValidationException",
        ),
        (
            "org.apache.flink.util.SerializedThrowable: com.acme.OrderError: order 7 is empty",
            "OrderError: order 7 is empty",
            "OrderError",
        ),
        (
            (
                "com.acme.Outer: boom\n\tat a.B.c(D.java:1)\n\tSuppressed: java.io.IOException: no"
                "\n\t\tat a.B.c(D.java:1)\nCaused by: com.acme.InnerException: why\n\t... 2 more"
            ),
            "InnerException: why",
            "InnerException",
        ),
        (
            "java.lang.RuntimeException: main\nCaused by: com.acme.A$BadException: x",
            "BadException: x",
            "BadException",
        ),
        (
            (
                "org.apache.flink.runtime.JobException: Recovery is suppressed by "
                "NoRestartBackoffTimeStrategy\nCaused by: java.lang.NullPointerException: null"
            ),
            "NullPointerException",
            "NullPointerException",
        ),
        (
            "org.apache.flink.runtime.JobException: Recovery is suppressed by X",
            "JobException: Recovery is suppressed by X",
            "JobException",
        ),
    ],
)
def test_other_shapes(trace: str, message: str, exception: str) -> None:
    failure = failure_of_trace(trace)
    assert (failure.message, failure.exception) == (message, exception)


def test_a_cause_is_bounded_and_on_one_line() -> None:
    failure = failure_of_trace("com.acme.OrderError: " + "word \x1b[31m\u202e\n" * 400)
    assert len(failure.message) <= 500
    assert failure.message.endswith("…")
    assert failure.message.isprintable()


@pytest.mark.parametrize(
    ("tail", "message"),
    [
        ("", None),
        ("2026-11-23 07:00:00,000 INFO  a.B [] - all is well\n", None),
        (
            "2026-11-23 07:00:00,000 ERROR a.B    [] - Fatal error: no room\nmore",
            "Fatal error: no room",
        ),
        ("Error: Could not create the Java Virtual Machine.", None),
        ("exec /docker-entrypoint.sh: cannot execute: not found", None),
    ],
)
def test_logs_without_an_exception(tail: str, message: str | None) -> None:
    failure = failure_of_log(tail)
    if message is None and failure is not None:
        message = tail
    assert (failure.message if failure else None) == message


def test_the_savepoint_of_a_stop_that_failed_afterwards() -> None:
    trace = (
        "java.util.concurrent.CompletionException: org.apache.flink.runtime.scheduler."
        "stopwithsavepoint.StopWithSavepointStoppingException: A savepoint has been created at: "
        "s3://b/svp/savepoint-1, but the corresponding job abab failed while stopping."
    )
    assert savepoint_named_in(trace) == "s3://b/svp/savepoint-1"
    assert savepoint_named_in("Checkpoint expired before completing.") is None


@pytest.mark.parametrize(
    "unit",
    ["A.", "a.a", "AException: ", "java.lang.Exception: ", "[ ", "a://", "'a'='", "Caused by: x\n",
     "password ", "\tat a\n", " [[", "a. ", "x" * 80 + ". "],
)  # fmt: skip
def test_hostile_text_costs_little(unit: str) -> None:
    text = unit * (400_000 // len(unit))
    began = time.process_time()
    failure_of_trace(text)
    failure_of_log(text)
    failure_of_log("2026-11-23 07:00:00,000 ERROR " + text)
    assert time.process_time() - began < 2
