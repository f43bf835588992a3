from __future__ import annotations

import pytest

from streamjob_operator.errors import InvalidSpec
from streamjob_operator.sql.script import check

pytestmark = pytest.mark.unit

DDL = "CREATE TABLE t (a INT, b AS a) WITH ('connector'='datagen');\n"


@pytest.mark.parametrize(
    ("script", "line"),
    [
        ("INSERT INTO s SELECT * FROM t", 2),
        ("-- why\n\ninsert overwrite s select 1;\nSHOW TABLES; -- end", 4),
        ("EXECUTE INSERT INTO s SELECT 1;", 2),
        ("CREATE TABLE s WITH ('connector'='print') AS SELECT * FROM t;", 2),
        ("CREATE OR REPLACE TABLE s AS SELECT 1;", 2),
        ("REPLACE TABLE s AS SELECT 1;", 2),
        ("EXECUTE STATEMENT SET BEGIN INSERT INTO s SELECT 1; INSERT INTO s SELECT 2; END;", 2),
        ("BEGIN STATEMENT SET;\nINSERT INTO s SELECT 1;\nINSERT INTO s SELECT 2;\nEND;", 2),
        ("BEGIN STATEMENT SET; CREATE TABLE s AS SELECT 1; END;", 2),
        ("EXECUTE PLAN '/x.json';", 2),
        ("COMPILE AND EXECUTE PLAN '/x.json' FOR INSERT INTO s SELECT 1;", 2),
        ("UPDATE s SET a = 1;", 2),
        ("DELETE FROM s;", 2),
        ("CREATE VIEW v AS TABLE t;\nEXPLAIN INSERT INTO s SELECT 1;\nINSERT INTO s TABLE v;", 4),
        ("CREATE FUNCTION f AS 'com.acme.TABLE';\nINSERT INTO s WITH x AS (SELECT 1) TABLE x;", 3),
        ("COMPILE PLAN '/x' FOR INSERT INTO s SELECT 1;\nINSERT INTO s SELECT ';INSERT';", 3),
        ("SET;\nRESET;\nINSERT INTO s SELECT 1;", 4),
        (
            "SET 'table.x'='1 h';\nSET 'pipeline.name'='我的';\nINSERT INTO s VALUES 1",
            4,
        ),
        ("SET 'execution.checkpointing.interval' = '5 s'; INSERT INTO s SELECT 1;", 2),
        ("RESET 'table.exec.state.ttl'; RESET pipeline.name; INSERT INTO s SELECT 1;", 2),
    ],
)
def test_one_pipeline_is_taken(script: str, line: int) -> None:
    assert check(DDL + script).pipeline.line == line


@pytest.mark.parametrize(
    "script",
    [
        "",
        "  \n",
        "-- a\n/* b */",
        ";",
        DDL,
        DDL + "EXPLAIN INSERT INTO s SELECT 1;",
        "SHOW TABLES;",
    ],
)
def test_a_script_without_a_pipeline_starts_no_job(script: str) -> None:
    with pytest.raises(InvalidSpec, match=r"the script starts no job: .*add an INSERT INTO"):
        check(script)


def test_an_empty_statement_set_starts_no_job() -> None:
    with pytest.raises(InvalidSpec, match="line 2, column 1: the script starts no job"):
        check(DDL + "BEGIN STATEMENT SET; END;")


@pytest.mark.parametrize(
    ("script", "place", "words"),
    [
        (
            "INSERT INTO a SELECT 1;\n  INSERT INTO `b;` (x) SELECT 2;",
            "line 3, column 3: ",
            (
                "(the first one at line 2, column 1), and a StreamJob is one job: put all of them "
                "into one set: BEGIN STATEMENT SET; INSERT INTO a …; INSERT INTO `b;` …; END;"
            ),
        ),
        (
            "CREATE TABLE IF NOT EXISTS c.d WITH ('k'='v') AS SELECT 1;\nINSERT INTO a TABLE t;",
            "line 3, column 1: ",
            "SET; CREATE TABLE c.d AS …; INSERT INTO a …; END;",
        ),
        (
            "BEGIN STATEMENT SET; INSERT INTO a SELECT 1; END;\nINSERT INTO b SELECT 2;",
            "line 3, column 1: ",
            "SET; INSERT INTO a …; INSERT INTO b …; END;",
        ),
        (
            "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END; EXECUTE PLAN 'x'",
            "line 2, column 58: ",
            "SET; INSERT INTO …; INSERT INTO …; END;",
        ),
        (
            "INSERT INTO a SELECT 1;" * 9,
            "line 2, column 24: ",
            "SET;" + " INSERT INTO a …;" * 4 + " … END;",
        ),
    ],
)
def test_a_second_pipeline_is_refused(script: str, place: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        check(DDL + script)
    assert str(refused.value).startswith(place)
    assert words in str(refused.value)


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("SELECT * FROM t;", "SELECT"),
        ("select 1", "SELECT"),
        ("((SELECT 1) UNION (SELECT 2));", "SELECT"),
        ("WITH x AS (SELECT 1) SELECT * FROM x;", "WITH"),
        ("VALUES (1), (2);", "VALUES"),
        ("TABLE t;", "TABLE"),
        ("EXECUTE SELECT 1;", "SELECT"),
    ],
)
def test_a_bare_query_is_refused(query: str, word: str) -> None:
    for script in (f"{DDL}  {query}", f"{DDL}  {query};INSERT INTO s SELECT 1;"):
        with pytest.raises(InvalidSpec, match=f"line 2, column 3: a {word} by itself"):
            check(script)


def test_nothing_but_writes_may_stand_in_a_statement_set() -> None:
    with pytest.raises(InvalidSpec, match=r"line 3, column 1: only INSERT and CREATE TABLE … AS"):
        check(DDL + "BEGIN STATEMENT SET;\nCREATE TABLE x (a INT);\nINSERT INTO x SELECT 1; END;")


@pytest.mark.parametrize(
    "statement",
    [
        "SET 'execution.state-recovery.path' = 's3://x';",
        "set\n'execution.state-recovery.path'='x';",
        "SET execution.state-recovery.path=x;",
        "SET execution.state-recovery.path = 'x';",
        "SET /* ; */ 'execution.state-recovery.path' -- c\n = 'x';",
        "RESET 'execution.state-recovery.path';",
        "RESET execution.state-recovery.path;",
    ],
)
def test_settings_of_the_operator_are_refused(statement: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        check(f"{DDL}  {statement} INSERT INTO s SELECT 1;")
    assert str(refused.value) == (
        "line 2, column 3: execution.state-recovery.path belongs to the operator: use spec.restore"
    )


@pytest.mark.parametrize(
    "statement",
    [
        "SET U&'execution.\\0073tate-recovery.path' = 'x';",
        "SET 'execution.state-' 'recovery.path' = 'x';",
        "SET 'execution.state-'\n'recovery.path' = 'x';",
        "SET '${KEY}' = 'x';",
        "SET `execution.state-recovery.path` = 'x';",
        "RESET 'execution.state-' 'recovery.path';",
        "SET = 'x';",
    ],
)
def test_a_key_that_hides_is_refused(statement: str) -> None:
    with pytest.raises(InvalidSpec, match="line 2, column 1: write the key as one text"):
        check(f"{DDL}{statement} INSERT INTO s SELECT 1;")
