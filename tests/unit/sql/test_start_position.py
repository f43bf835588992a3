from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjob_operator.api.spec import StartFrom, StartPosition
from streamjob_operator.errors import InvalidSpec
from streamjob_operator.sql.start_position import Fresh, Position, Restored, inject
from streamjob_operator.sql.statements import Statement, split
from tests.unit.sql.scripts import SCRIPTS, any_text

pytestmark = pytest.mark.unit

EARLIEST = Fresh(StartFrom(position=StartPosition.EARLIEST))
LATEST = Fresh(StartFrom(position=StartPosition.LATEST))
TIMESTAMP = Fresh(
    StartFrom(position=StartPosition.TIMESTAMP, timestamp=datetime(2026, 11, 1, tzinfo=UTC))
)
POSITIONS: list[Position] = [
    Fresh(),
    EARLIEST,
    LATEST,
    TIMESTAMP,
    Restored(),
    Restored(skip_expired=True),
]

KAFKA = "'connector'='kafka', 'properties.group.id'='g'"
TABLE = f"CREATE TABLE t (a INT) WITH ({KAFKA});"
SET_LATEST = "('scan.startup.mode'='latest-offset');"
SET_EARLIEST = "('scan.startup.mode'='earliest-offset');"
SAVED = "('scan.startup.mode'='group-offsets', 'properties.auto.offset.reset'='none');"
SAVED_WITHOUT_GROUP = (
    "('scan.startup.mode'='group-offsets', 'properties.auto.offset.reset'='none', "
    "'properties.group.id'='streamjob-saved-offsets', "
    "'properties.commit.offsets.on.checkpoint'='false');"
)
AT_TIME = "('scan.startup.mode'='timestamp', 'scan.startup.timestamp-millis'='1793491200000');"


@pytest.mark.parametrize(
    ("position", "options"),
    [
        (Fresh(), SET_EARLIEST),
        (EARLIEST, SET_EARLIEST),
        (LATEST, SET_LATEST),
        (TIMESTAMP, AT_TIME),
        (Restored(), SAVED),
        (Restored(skip_expired=True), SET_EARLIEST),
    ],
)
def test_each_position_is_set_behind_the_create(position: Position, options: str) -> None:
    script = f"-- c\n{TABLE} -- end\nINSERT INTO s SELECT * FROM t;"
    assert inject(script, position) == (
        f"-- c\n{TABLE} ALTER TABLE t SET {options} -- end\nINSERT INTO s SELECT * FROM t;"
    )


def test_without_a_start_the_script_has_its_say() -> None:
    script = f"CREATE TABLE t (a INT) WITH ({KAFKA}, 'scan.startup.mode'='specific-offsets');\n"
    assert inject(script, Fresh()) == script


def test_a_table_without_group_gets_one_for_its_saved_offsets() -> None:
    script = "CREATE TABLE t (a INT) WITH ('connector'='kafka');"
    assert inject(script, Restored()) == f"{script} ALTER TABLE t SET {SAVED_WITHOUT_GROUP}"


@pytest.mark.parametrize(
    ("create", "name"),
    [
        (f"CREATE TABLE db.`a;b`.`订 单` (x INT) WITH ({KAFKA});", "db.`a;b`.`订 单`"),
        (f"create table if not exists t(a int)with({KAFKA});", "t"),
        (f"CREATE OR REPLACE TABLE db\n . /* ; */ t (a INT) WITH ({KAFKA});", "db.t"),
        (
            (
                "CREATE TABLE t (a TIMESTAMP WITH LOCAL TIME ZONE, w AS (a), m MAP<INT, ROW<b X>>"
                ", `with` STRING COMMENT ');', WATERMARK FOR a AS a - INTERVAL '1' SECOND) "
                f"COMMENT 'like; x' PARTITIONED BY (a) WITH (\n 'k;' = ';', {KAFKA}\n);"
            ),
            "t",
        ),
        ("CREATE TABLE t (a INT) WITH ('k'='''connector''', 'connector' = 'kafka' -- c\n);", "t"),
    ],
)
def test_every_way_to_write_a_kafka_table_is_found(create: str, name: str) -> None:
    assert inject(create, LATEST) == f"{create} ALTER TABLE {name} SET {SET_LATEST}"


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE t (a INT) WITH ('connector'='upsert-kafka');",
        "CREATE TABLE t (a INT) WITH ('connector'='datagen', 'x'='kafka');",
        "CREATE TABLE t (a INT) WITH ('x'='''connector''=''kafka''');",
        "CREATE TABLE t (a INT) COMMENT '''connector''=''kafka''';",
        f"-- {TABLE}\n/* {TABLE} */",
        f"CREATE VIEW v AS SELECT '{TABLE.replace(chr(39), chr(39) * 2)}';",
        f"CREATE TABLE t WITH ({KAFKA}) AS SELECT 1;",
        f"BEGIN STATEMENT SET; CREATE TABLE t WITH ({KAFKA}) AS SELECT 1; END;",
        f"CREATE MATERIALIZED TABLE t WITH ({KAFKA}) AS SELECT 1;",
        f"CREATE TABLE t (a INT) WITH ({KAFKA})",
        "CREATE TABLE t LIKE hive.db.t;",
        "ALTER TABLE unknown SET ('connector'='kafka');",
    ],
)
def test_everything_else_stays_untouched(script: str) -> None:
    for position in POSITIONS:
        assert inject(script, position) == script


@pytest.mark.parametrize(
    ("create", "touched"),
    [
        ("CREATE TABLE x LIKE t;", True),
        ("CREATE TABLE x (b INT) WITH ('topic'='y') LIKE `t` (INCLUDING ALL);", True),
        (
            "CREATE TABLE x WITH ('connector'='print') LIKE t (EXCLUDING ALL INCLUDING OPTIONS);",
            False,
        ),
        ("CREATE TABLE x LIKE t (EXCLUDING ALL INCLUDING OPTIONS);", True),
        ("CREATE TABLE x LIKE t (EXCLUDING CONSTRAINTS OVERWRITING OPTIONS);", True),
        ("CREATE TABLE x WITH ('connector'='print') LIKE t;", False),
        ("CREATE TABLE x LIKE t (EXCLUDING OPTIONS);", False),
        ("CREATE TABLE x LIKE t (EXCLUDING ALL);", False),
        ("CREATE TABLE x LIKE default_catalog.default_database.t;", True),
    ],
)
def test_like_hands_the_connector_on(create: str, *, touched: bool) -> None:
    after = inject(f"{TABLE}\n{create}", LATEST).splitlines()[1]
    assert after == create + (f" ALTER TABLE x SET {SET_LATEST}" if touched else "")


def test_a_temporary_table_is_made_anew() -> None:
    create = f"CREATE TEMPORARY TABLE db.`t``x` (a INT) WITH ({KAFKA});"
    assert inject(create, LATEST) == (
        f"{create} CREATE TEMPORARY TABLE db.`t``x__streamjob` WITH {SET_LATEST[:-1]} "
        "LIKE db.`t``x` (OVERWRITING OPTIONS); DROP TEMPORARY TABLE db.`t``x`; "
        "CREATE TEMPORARY TABLE db.`t``x` LIKE db.`t``x__streamjob`;"
    )


@pytest.mark.parametrize(
    ("statement", "position", "injected"),
    [
        ("ALTER TABLE t SET ('scan.startup.mode'='timestamp');", LATEST, SET_LATEST),
        ("ALTER TABLE IF EXISTS `t` SET ('k'='v');", Restored(), SAVED),
        ("ALTER TABLE t SET ('scan.startup.mode'='timestamp');", Fresh(), None),
        ("ALTER TABLE t RESET ('scan.startup.mode');", Fresh(), SET_EARLIEST),
        ("ALTER TABLE t RESET ('properties.group.id');", Restored(), SAVED_WITHOUT_GROUP),
        ("ALTER TABLE t SET ('connector'='print');", LATEST, None),
        ("ALTER TABLE t ADD (b INT);", LATEST, None),
        ("ALTER TABLE t DROP b;", LATEST, None),
    ],
)
def test_the_users_own_alter_does_not_win(
    statement: str, position: Position, injected: str | None
) -> None:
    after = inject(f"{TABLE}\n{statement}\n", position).splitlines()[1]
    name = "`t`" if "`" in statement else "t"
    assert after == statement + (f" ALTER TABLE {name} SET {injected}" if injected else "")


def test_names_are_followed_through_rename_and_drop() -> None:
    script = (
        f"{TABLE}\nALTER TABLE t RENAME TO u;\nALTER TABLE t SET ('k'='v');\n"
        "ALTER TABLE u SET ('k'='v');\nDROP TABLE u;\nALTER TABLE u SET ('k'='v');\n"
        "CREATE TABLE u (a INT) WITH ('connector'='print');\nCREATE TABLE v LIKE u;\n"
    )
    touched = [
        number
        for number, line in enumerate(inject(script, LATEST).splitlines(), start=1)
        if line.endswith(SET_LATEST)
    ]
    assert touched == [1, 4]


def test_if_not_exists_leaves_the_table_that_is_there() -> None:
    second = "CREATE TABLE IF NOT EXISTS t (a INT) WITH ('connector'='print');"
    after = inject(f"{TABLE}\n{second}", LATEST).splitlines()[1]
    assert after == f"{second} ALTER TABLE t SET {SET_LATEST}"


def test_timestamps_are_milliseconds_whatever_their_zone() -> None:
    shanghai = timezone(timedelta(hours=8))
    for time in (datetime(2026, 11, 1, 8, tzinfo=shanghai), datetime(2026, 11, 1)):  # noqa: DTZ001
        start = StartFrom(position=StartPosition.TIMESTAMP, timestamp=time)
        assert AT_TIME in inject(TABLE, Fresh(start))


def test_a_timestamp_is_needed_with_timestamp() -> None:
    with pytest.raises(InvalidSpec, match=r"spec\.startFrom\.timestamp is needed"):
        inject(TABLE, Fresh(StartFrom(position=StartPosition.TIMESTAMP)))


_INJECTED = re.compile(
    r"(?<=;) ALTER TABLE [^\n]*? SET \('scan\.startup\.mode'='(?:group|earliest)-offset.*?\);"
    r"|(?<=;) CREATE TEMPORARY TABLE [^\n]*?__streamjob` WITH .*? LIKE [^\n]*?__streamjob`;"
)


@given(SCRIPTS, st.sampled_from([Restored(), Restored(skip_expired=True)]))
def test_without_what_was_injected_it_is_the_users_text(script: str, position: Position) -> None:
    assert _INJECTED.sub("", inject(script, position)) == script


@given(st.one_of(SCRIPTS, any_text()), st.sampled_from(POSITIONS))
def test_lines_stay_as_they_are(script: str, position: Position) -> None:
    try:
        injected = inject(script, position)
    except InvalidSpec:
        return
    before, after = script.split("\n"), injected.split("\n")
    assert len(before) == len(after)
    for old, new in zip(before, after, strict=True):
        remaining = iter(new)
        assert all(character in remaining for character in old)


@given(SCRIPTS, st.sampled_from(POSITIONS))
def test_flink_names_the_users_lines(script: str, position: Position) -> None:
    theirs = [(statement.line, statement.tokens[0].text) for statement in _with_words(script)]
    remaining = iter(
        (statement.line, statement.tokens[0].text)
        for statement in _with_words(inject(script, position))
    )
    assert all(place in remaining for place in theirs)


def _with_words(script: str) -> list[Statement]:
    return [statement for statement in split(script) if statement.tokens]
