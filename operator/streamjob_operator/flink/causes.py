"""From a Java stack trace, or the end of a container's log, to the line that says what is wrong.

Flink wraps a cause several times, and the innermost exception alone often lacks the place (line
and column) that one above it names. The rules here were read off real traces of Flink 2.3.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from streamjob_operator.flink.models import Failure
from streamjob_operator.flink.text import SHOWN, one_line

_READ: Final = 200_000
"""Characters of a trace or log that are looked at."""

_MESSAGE: Final = 4_000
"""Characters of one exception's message, or of one line of a log, that are looked at."""

_CLASS = r"(?:[A-Za-z_$][\w$]*\.)*[A-Z][\w$]*(?:Exception|Error|Throwable|Failure|Shutdown)"
_HEADER = re.compile(rf"(?P<name>{_CLASS})(?:: ?(?P<message>.*))?\Z", re.DOTALL)
_QUALIFIED = re.compile(r"(?:[a-z_$][\w$]*\.)+[A-Z][\w$]*(?::|\Z)")
_FRAME = re.compile(
    r"\s+(?:at [\w$.<>/@]|\.\.\.(?: \d+ (?:more|common frames)| suppressed \d+ lines|\s*\Z))"
)
_CAUSED_BY: Final = "Caused by: "
_THREAD = re.compile(r'^Exception in thread "[^"\n]*" ', re.MULTILINE)
_LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d\S*\s+(?P<level>[A-Z]+)\s+(?P<rest>.*)\Z")
_LOG_MESSAGE = re.compile(r".*?\s\[[^\]]*\] - (?P<message>.*)\Z")

_WRAPPERS = frozenset(
    {
        "ApplicationExecutionException",
        "ClusterEntrypointException",
        "CompletionException",
        "DispatcherException",
        "ExecutionException",
        "FlinkException",
        "InvocationTargetException",
        "JobExecutionException",
        "JobInitializationException",
        "JobSubmissionException",
        "SqlGatewayException",
        "SuppressRestartsException",
        "UndeclaredThrowableException",
        "UnrecoverableException",
    }
)
"""Say that something failed, not what: passed over wherever a cause stands below them."""

_ANONYMOUS = frozenset(
    {
        "Error",
        "Exception",
        "FlinkException",
        "FlinkRuntimeException",
        "ProgramInvocationException",
        "RuntimeException",
        "SqlParserException",
        "TableException",
        "Throwable",
        "ValidationException",
    }
)
"""Names that tell a reader nothing that the message does not."""

_OF_THE_PROGRAM = frozenset({"ProgramInvocationException", "SqlGatewayException"})
_OF_THE_JOB = frozenset({"JobExecutionException", "JobInitializationException", "JobException"})

_UNDERTAKINGS: Final = (
    (".client.program.artifact.", "A jar could not be fetched"),
    (".Checkpoints.loadAndValidateCheckpoint(", "The snapshot could not be restored"),
)
"""What Flink was about when one of these frames stands in the trace; no message says so."""

_TABLE = re.compile(r"Unable to create a (?:source|sink) for (?:reading|writing) table '([^']+)'")
_DEFAULT_PATH: Final = "default_catalog.default_database."

_LISTS = re.compile(
    r"(?:Was expecting|Supported options|Available factory identifiers|Table options|Ambiguous"
    r" factory|The following factories|Available options|Available schemes)[^\n]*:\s*\Z"
)
"""Headings of lists that run for pages; those of tables hold values."""

_ADVICE = re.compile(
    r" (?:Please (?:ensure|try)|See https?:|For a full list of|If you want to allow to skip"
    r"|This can have multiple reasons)[^\n]*"
)
"""Flink's own advice, which is not about Kubernetes; the remedy says it better."""


@dataclass(frozen=True)
class _Cause:
    """One exception of a chain."""

    qualified: str
    message: str

    @property
    def name(self) -> str:
        return re.split(r"[.$]", self.qualified)[-1]

    @property
    def is_wrapper(self) -> bool:
        return self.name in _WRAPPERS or self.message.startswith(
            (
                "An Exception occurred while triggering the checkpoint",
                "Could not load the provided entrypoint class",
                "Recovery is suppressed by",
                "The main method caused an error",
            )
        )

    @property
    def is_bare(self) -> bool:
        """An exception of Java itself: names a thing, not what it was wanted for."""
        return self.qualified.startswith(("java.", "javax.", "jdk.", "sun."))

    @property
    def line(self) -> str:
        if not self.message:
            return self.name
        return self.message if self.name in _ANONYMOUS else f"{self.name}: {self.message}"


def failure_of_trace(trace: str, at: datetime | None = None) -> Failure:
    """The root cause of a stack trace as Flink gives it, at most 500 characters long."""
    chain = _chain(trace[:_READ])
    if not chain:
        return Failure(one_line(_prose(trace[:_READ])) or "no cause given", at)
    names = {cause.name for cause in chain}
    deciding, line = _deciding(chain)
    for frame, undertaking in _UNDERTAKINGS:
        if frame in trace[:_READ]:
            line = f"{undertaking}: {line}"
    in_program = bool(names & _OF_THE_PROGRAM) and not names & _OF_THE_JOB
    return Failure(one_line(line), at, deciding.name, in_program)


def failure_of_log(tail: str, at: datetime | None = None) -> Failure | None:
    """The root cause in the end of a log: the last exception, or else the last error line.

    For a JobManager that died before it could be asked. None where the text names no error.
    """
    text = _THREAD.sub("", tail[-_READ:].replace("\r", ""))
    lines = [line[:_MESSAGE] for line in text.split("\n")]
    blocks = _exception_blocks(lines)
    if blocks:
        return failure_of_trace("\n".join(blocks[-1]), at)
    errors = [error for line in lines if (error := _error_line(line))]
    return Failure(one_line(errors[-1]), at) if errors else None


def savepoint_named_in(trace: str) -> str | None:
    """The savepoint that was complete before the job failed while stopping, if there is one.

    Flink's StopWithSavepointStoppingException: such a savepoint is whole and may be restored from.
    """
    found = re.search(
        r"A savepoint has been created at: ([^\s\x00-\x1f\x7f]{1,2048}), but the corresponding job",
        trace[:_READ],
    )
    return found.group(1) if found else None


def _chain(trace: str) -> list[_Cause]:
    """The exceptions of a trace, outermost first; suppressed ones are left out."""
    causes: list[_Cause] = []
    header: list[str] | None = []
    for line in [*trace.replace("\r", "").split("\n"), _CAUSED_BY]:
        if line.startswith(_CAUSED_BY):
            causes.extend(_parsed(header))
            header = [line.removeprefix(_CAUSED_BY)]
        elif _FRAME.match(line) or line.startswith(("\tSuppressed: ", "Suppressed: ")):
            causes.extend(_parsed(header))
            header = None
        elif header is not None:
            header.append(line)
    return causes


def _parsed(header: list[str] | None) -> list[_Cause]:
    text = "\n".join(header or []).strip()[:_MESSAGE]
    found = _HEADER.match(text)
    if found is None:
        qualified = _QUALIFIED.match(text)
        if qualified is None:
            return []
        name, message = text[: qualified.end()].rstrip(":"), text[qualified.end() :].strip()
    else:
        name, message = found["name"], (found["message"] or "").strip()
    while (inner := _HEADER.match(message)) is not None:
        name, message = inner["name"], (inner["message"] or "").strip()
    if message in {"null", name}:
        message = ""
    return [_Cause(name, _prose(message))]


def _deciding(chain: list[_Cause]) -> tuple[_Cause, str]:
    """The exception that decides, and the line to be shown."""
    gateway = [number for number, cause in enumerate(chain) if cause.name == "SqlGatewayException"]
    below = chain[gateway[-1] + 1 :] if gateway else chain
    told = [cause for cause in below if not cause.is_wrapper] or [chain[-1]]
    deciding = shown = told.pop()
    while told and (told[-1] == shown or (shown.message and shown.message in told[-1].message)):
        shown = told.pop()
    line = shown.line
    if shown.is_bare and told and told[-1].message:
        above = told[-1].line.rstrip(".: ")
        # A value that can't be parsed may be a secret: the option's name is enough.
        is_value = told[-1].message.startswith("Could not parse value")
        line = above if is_value else f"{above}: {line}"
    tables = [found.group(1) for cause in below if (found := _TABLE.match(cause.message))]
    if tables:
        line = f"Table {tables[-1]}: {line}"
    return deciding, line


def _prose(message: str) -> str:
    """A message without the lists that trail it."""
    kept: list[str] = []
    for raw in message.split("\n"):
        line = raw.strip()
        if _LISTS.search(line):
            before = _LISTS.split(line)[0].strip()
            kept.append(before)
            break
        kept.append(_ADVICE.sub("", line))
    return " ".join(line for line in kept if line).replace(_DEFAULT_PATH, "")


def _exception_blocks(lines: list[str]) -> list[list[str]]:
    """The stack traces in a log; the first may have lost its head."""
    blocks: list[list[str]] = []
    for line in lines:
        logged = _LOG_LINE.match(line)
        if logged is None and line.startswith(_CAUSED_BY):
            blocks = blocks or [[]]
            blocks[-1].append(line)
        elif logged is None and (_HEADER.match(line) or _QUALIFIED.match(line)):
            blocks.append([line])
        elif logged is None and blocks:
            blocks[-1].append(line)
    return blocks


def _error_line(line: str) -> str:
    """What a log line at level ERROR or FATAL, or one of the JVM or a script, complains about."""
    logged = _LOG_LINE.match(line)
    if logged is None:
        complaint = re.match(
            r"(?i)(?:\S*\s)?(?:fatal|error)\b.*|.*\b(?:cannot|could not|failed)\b.*", line
        )
        return line.strip()[:SHOWN] if complaint else ""
    if logged["level"] not in {"ERROR", "FATAL"}:
        return ""
    message = _LOG_MESSAGE.match(logged["rest"])
    return (message["message"] if message else logged["rest"]).strip()
