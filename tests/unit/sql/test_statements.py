from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamjob_operator.errors import InvalidSpec
from streamjob_operator.sql.statements import Kind, split
from tests.unit.sql.scripts import SCRIPTS, any_text

pytestmark = pytest.mark.unit


def heads(script: str) -> list[str]:
    """Each statement up to its `;`, without what stands before its first word."""
    return [
        script[statement.tokens[0].start : statement.end] if statement.tokens else ""
        for statement in split(script)
    ]


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("A; B;", ["A;", "B;"]),
        ("A; B", ["A;", "B"]),
        ("A;\n-- done", ["A;"]),
        ("A;;; ; B;", ["A;", "B;"]),
        ("A; -- x;\n/* ; */ ; B;", ["A;", "B;"]),
        ("", []),
        (" \n ", [""]),
        ("-- nothing\n/* at; all */", [""]),
        ("; A;", ["", "A;"]),
        ("SELECT ';';B;", ["SELECT ';';", "B;"]),
        ("SELECT 'it''s;';B;", ["SELECT 'it''s;';", "B;"]),
        ("SELECT 'a\\';B;", ["SELECT 'a\\';", "B;"]),
        ("SELECT '--', \"/*;\";B;", ["SELECT '--', \"/*;\";", "B;"]),
        ("SELECT `a;``b` FROM `;`;B;", ["SELECT `a;``b` FROM `;`;", "B;"]),
        ("SELECT 1 -- it's; fine\n;B;", ["SELECT 1 -- it's; fine\n;", "B;"]),
        ("SELECT 1 /* it's; /* fine */;B;", ["SELECT 1 /* it's; /* fine */;", "B;"]),
        ("SELECT /*+ ;'; */ 1;B;", ["SELECT /*+ ;'; */ 1;", "B;"]),
        ("SELECT '分号;' AS `列;`; B;", ["SELECT '分号;' AS `列;`;", "B;"]),
        ("SELECT a-b--c;\n;B;", ["SELECT a-b--c;\n;", "B;"]),
        (
            "EXECUTE STATEMENT SET BEGIN INSERT; INSERT; END; B;",
            ["EXECUTE STATEMENT SET BEGIN INSERT; INSERT; END;", "B;"],
        ),
        (
            "execute statement /* ; */ set\nbegin INSERT; end",
            ["execute statement /* ; */ set\nbegin INSERT; end"],
        ),
        (
            "EXECUTE STATEMENT SET BEGIN I CASE WHEN CASE x END THEN ';END;' END; I; END; B;",
            ["EXECUTE STATEMENT SET BEGIN I CASE WHEN CASE x END THEN ';END;' END; I; END;", "B;"],
        ),
        (
            "EXECUTE STATEMENT SET BEGIN I `end`; I; END; B;",
            ["EXECUTE STATEMENT SET BEGIN I `end`; I; END;", "B;"],
        ),
        (
            "EXPLAIN STATEMENT SET BEGIN I; END; B;",
            ["EXPLAIN STATEMENT SET BEGIN I; END;", "B;"],
        ),
        (
            "COMPILE PLAN 'x' FOR STATEMENT SET BEGIN I; END; B;",
            ["COMPILE PLAN 'x' FOR STATEMENT SET BEGIN I; END;", "B;"],
        ),
        (
            "BEGIN STATEMENT SET; I; J; END; B;",
            ["BEGIN STATEMENT SET;", "I;", "J;", "END;", "B;"],
        ),
        ("EXECUTE INSERT INTO a VALUES (1); B;", ["EXECUTE INSERT INTO a VALUES (1);", "B;"]),
    ],
)
def test_statements_end_where_flink_ends_them(script: str, expected: list[str]) -> None:
    assert heads(script) == expected


@pytest.mark.parametrize(
    ("script", "places"),
    [
        ("A; B;", [(1, 1), (1, 4)]),
        ("-- c\n  A;\n\n\tB\n;", [(2, 3), (4, 2)]),
        ("/* a\nb */ A;\r\nB;", [(2, 6), (3, 1)]),
        ("SELECT '一\n二'; 三;", [(1, 1), (2, 5)]),
        ("A; -- c\n-- d\nB;", [(1, 1), (3, 1)]),
    ],
)
def test_places_are_those_of_the_first_word(script: str, places: list[tuple[int, int]]) -> None:
    assert [(statement.line, statement.column) for statement in split(script)] == places


@pytest.mark.parametrize(
    ("script", "place", "words"),
    [
        ("A;\nSELECT 'x;\nB;", "line 2, column 8", "add the closing '"),
        ("SELECT 'it's'", "line 1, column 13", "add the closing '"),
        ("SELECT `x;", "line 1, column 8", "add the closing `"),
        ('SELECT "x;', "line 1, column 8", "single quotes"),
        ("A;\n  /* x;\nB;", "line 2, column 3", "add the closing */"),
        ("SELECT /*+ OPTIONS(", "line 1, column 8", "add the closing */"),
        ("A;\nBEGIN STATEMENT SET;\nINSERT;", "line 2, column 1", "write END;"),
        ("EXECUTE STATEMENT SET\nBEGIN\nINSERT;", "line 2, column 1", "write END;"),
        ("-- a\rSET 'x'='y';", "line 1, column 5", "LF line ends"),
        ("A;\nSELECT /* all */* FROM t;", "line 2, column 17", "put a blank before this *"),
        ("SELECT /*+ X */*", "line 1, column 16", "put a blank before this *"),
    ],
)
def test_what_has_no_end_is_refused_with_its_place(script: str, place: str, words: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        split(script)
    assert str(refused.value).startswith(f"{place}: ")
    assert words in str(refused.value)


def test_tokens_have_kinds_values_and_offsets() -> None:
    script = "SELECT `a``b`, 'it''s', x$1 /*+ HINT */ -- c\n, 1.5;"
    tokens = split(script)[0].tokens
    assert [(token.kind, token.value) for token in tokens] == [
        (Kind.WORD, "SELECT"),
        (Kind.QUOTED, "a`b"),
        (Kind.SYMBOL, ","),
        (Kind.STRING, "it's"),
        (Kind.SYMBOL, ","),
        (Kind.WORD, "x$1"),
        (Kind.HINT, "/*+ HINT */"),
        (Kind.SYMBOL, ","),
        (Kind.SYMBOL, "1.5"),
    ]
    assert all(script[token.start : token.end] == token.text for token in tokens)


def test_a_statement_set_is_marked_from_begin_to_end() -> None:
    marked = [
        statement.in_statement_set for statement in split("A; BEGIN STATEMENT SET; I; END; B;")
    ]
    assert marked == [False, True, True, True, False]


@given(st.one_of(SCRIPTS, any_text()))
def test_the_statements_joined_are_the_script(script: str) -> None:
    try:
        statements = split(script)
    except InvalidSpec:
        return
    assert "".join(statement.text for statement in statements) == script
    for statement in statements:
        assert script[statement.end - 1] == ";" or not statement.terminated
        lines = script[: statement.start].count("\n")
        assert lines + 1 <= statement.line <= script.count("\n") + 1


@given(SCRIPTS)
def test_a_statement_read_alone_is_one_statement(script: str) -> None:
    for statement in split(script):
        if not statement.in_statement_set:
            assert len(split(statement.text)) == 1
