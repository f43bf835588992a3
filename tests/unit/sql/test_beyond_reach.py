from __future__ import annotations

import pytest
from hypothesis import given

from streamjob_operator.errors import InvalidSpec
from streamjob_operator.sql.beyond_reach import beyond_reach
from tests.unit.sql.scripts import any_text

pytestmark = pytest.mark.unit

TABLE = "CREATE TABLE t (a INT) WITH ('connector'='kafka');\n"


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("INSERT INTO s SELECT EXTRACT(YEAR FROM ts), TRIM(BOTH ' ' FROM x) FROM t;", ()),
        ("INSERT INTO s SELECT * FROM nowhere;", ()),
        (
            "INSERT INTO s SELECT * FROM db.t /*+ OPTIONS('scan.startup.mode' = 'x') */ AS y;",
            ("db.t (line 2, column 1): its hint OPTIONS('scan.startup.mode'=…) wins",),
        ),
        ("INSERT INTO s SELECT * FROM t /*+ OPTIONS('k'='scan.startup.mode') */;", ()),
        ("INSERT INTO s SELECT '/*+ OPTIONS(''scan.startup.mode''=''x'') */' FROM t;", ()),
        ("INSERT INTO s SELECT /*+ ' */ 1;", ()),
        (
            "INSERT INTO s SELECT * FROM hive.db.k JOIN `h`.`d`.`k` ON a IS DISTINCT FROM b;",
            (
                "hive.db.k (line 2, column 1): not created in this script",
                "`h`.`d`.`k` (line 2, column 1): not created in this script",
            ),
        ),
        ("INSERT INTO s SELECT * FROM default_catalog.default_database.t;", ()),
        (
            (
                "USE CATALOG hive;\nINSERT INTO s WITH x AS (SELECT 1)\nSELECT * FROM x, LATERAL "
                "TABLE(f(a)) JOIN (SELECT EXTRACT(DAY FROM d) FROM t) ON TRUE LEFT JOIN k ON TRUE;"
            ),
            ("k (line 3, column 1): not created in this script",),
        ),
        (
            "USE CATALOG hive; INSERT INTO s SELECT * FROM TABLE(TUMBLE(TABLE k, DESCRIPTOR(a)));",
            ("k (line 2, column 19): not created in this script",),
        ),
        (
            "CREATE TABLE x LIKE hive.db.k;\nCREATE TABLE y LIKE x;\nCREATE TABLE z LIKE t;",
            ("x (line 2, column 1): is LIKE hive.db.k, not created here",),
        ),
        ("CREATE TABLE x WITH ('connector'='kafka') LIKE hive.db.k;", ()),
        ("CREATE TABLE x LIKE hive.db.k (EXCLUDING OPTIONS);", ()),
        ("USE CATALOG c; CREATE VIEW v AS SELECT 1; INSERT INTO s SELECT * FROM v;", ()),
    ],
)
def test_what_the_start_position_does_not_reach_is_named(
    script: str, found: tuple[str, ...]
) -> None:
    assert beyond_reach(TABLE + script) == found


@given(any_text())
def test_text_that_is_no_sql_is_survived(script: str) -> None:
    try:
        found = beyond_reach(script)
    except InvalidSpec:
        return
    assert all("\n" not in sentence for sentence in found)
