"""Where the Kafka sources of a run begin: `ALTER TABLE … SET` put into the script for each of them.

The words go behind the `;` of the statement that makes the table, on its line: the lines of the
user's text stay the same, so the line that Flink names is the user's, and an unqualified name
means the same table whatever USE follows. An ALTER of the user's would win over them, so they
follow it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from streamjob_operator.api.spec import StartFrom, StartPosition
from streamjob_operator.errors import InvalidSpec
from streamjob_operator.sql.statements import split
from streamjob_operator.sql.tables import Options, Table, Tables, read_create_table


@dataclass(frozen=True, slots=True)
class Fresh:
    """A run without state; without a start, each table's own position, else Earliest."""

    start: StartFrom | None = None


@dataclass(frozen=True, slots=True)
class Restored:
    """A run that goes on from a snapshot: sources take their saved offsets or fail.

    `skip_expired`: where the saved offsets have expired in Kafka, go on at the oldest record.
    """

    skip_expired: bool = False


Position = Fresh | Restored

_MODE: Final = "scan.startup.mode"
_GROUP: Final = "properties.group.id"

_EARLIEST: Final[Options] = {_MODE: "earliest-offset"}
_LATEST: Final[Options] = {_MODE: "latest-offset"}
_SAVED_OR_FAIL: Final[Options] = {
    _MODE: "group-offsets",
    "properties.auto.offset.reset": "none",
}
"""With state the mode matters only by its reset policy; this is the only one with reset `none`."""

_GROUP_OF_OURS: Final[Options] = {
    _GROUP: "streamjob-saved-offsets",
    "properties.commit.offsets.on.checkpoint": "false",
}
"""For tables without a group, which the connector refuses in this mode (`Property group.id is
required when using committed offset`). Nothing is ever committed under the name."""

_TEMPORARY_SUFFIX: Final = "__streamjob"


def inject(script: str, position: Position) -> str:
    """Write the script that Flink is to read. Raises InvalidSpec for one that can't be split."""
    tables = Tables()
    parts = []
    for statement in split(script):
        behind = statement.end - statement.start
        parts.append(statement.text[:behind])
        table = None if statement.in_statement_set else tables.apply(statement)
        if table is not None and table.is_kafka and statement.terminated:
            create = read_create_table(statement)
            if create is None or not create.is_create_as:
                parts.append(_words(table, position))
        parts.append(statement.text[behind:])
    return "".join(parts)


def _words(table: Table, position: Position) -> str:
    options = _options(table, position)
    if not options:
        return ""
    pairs = ", ".join(f"'{key}'='{value}'" for key, value in options.items())
    name = table.path.written
    if not table.temporary:
        return f" ALTER TABLE {name} SET ({pairs});"
    # Flink alters no temporary table; it is made anew, after a copy of itself that has the options.
    copy = table.path.sibling(_TEMPORARY_SUFFIX)
    return (
        f" CREATE TEMPORARY TABLE {copy} WITH ({pairs}) LIKE {name} (OVERWRITING OPTIONS);"
        f" DROP TEMPORARY TABLE {name};"
        f" CREATE TEMPORARY TABLE {name} LIKE {copy};"
    )


def _options(table: Table, position: Position) -> Options:
    if isinstance(position, Restored):
        if position.skip_expired:
            return _EARLIEST
        return _SAVED_OR_FAIL if _GROUP in table.options else {**_SAVED_OR_FAIL, **_GROUP_OF_OURS}
    if position.start is None:
        return {} if _MODE in table.options else _EARLIEST
    match position.start.position:
        case StartPosition.EARLIEST:
            return _EARLIEST
        case StartPosition.LATEST:
            return _LATEST
        case StartPosition.TIMESTAMP:
            return {
                _MODE: "timestamp",
                "scan.startup.timestamp-millis": str(_milliseconds(position.start.timestamp)),
            }


def _milliseconds(time: datetime | None) -> int:
    if time is None:
        raise InvalidSpec("spec.startFrom.timestamp is needed with the position Timestamp")
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
