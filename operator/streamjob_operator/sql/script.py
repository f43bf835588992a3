"""What a SQL script has to be before any pod starts: one pipeline, no setting of the operator's.

One Flink application runs one job here. A second INSERT would be told `Job has already been
submitted` and take the first one down with it; a script of DDL alone would end well without a
job. Both are refused beforehand, in words.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from streamjob_operator.api.owned_keys import refusal
from streamjob_operator.errors import InvalidSpec
from streamjob_operator.sql.statements import Kind, Statement, Token, split
from streamjob_operator.sql.tables import Cursor, read_create_table

_NO_JOB: Final = "the script starts no job"
_WRITE_INSERT: Final = "add an INSERT INTO … SELECT …; that says what is to run"

_MODIFICATIONS: Final = frozenset({"INSERT", "UPDATE", "DELETE"})
_QUERIES: Final = frozenset({"SELECT", "WITH", "VALUES", "TABLE", "FROM"})
_SHOWN_STATEMENTS: Final = 4
"""How many statements of a STATEMENT SET a message writes out before it says `…`."""


@dataclass(frozen=True, slots=True)
class Script:
    """A script that starts exactly one job."""

    statements: tuple[Statement, ...]
    pipeline: Statement
    """The statement that makes the job; of a `BEGIN STATEMENT SET` … `END` its first."""


def check(script: str) -> Script:
    """Read a script that can run as one job.

    Raises InvalidSpec, with line, column and remedy, for every other one.
    """
    statements = split(script)
    if not any(statement.tokens for statement in statements):
        raise InvalidSpec(f"{_NO_JOB}: it is empty; {_WRITE_INSERT}")
    for statement in statements:
        _check_settings(statement)
        _check_query(statement)
        _check_member(statement)
    pipelines = [statement for statement in statements if _is_pipeline(statement)]
    if not pipelines:
        raise InvalidSpec(f"{_NO_JOB}: {_WRITE_INSERT}")
    if len(pipelines) > 1:
        raise InvalidSpec(_several(statements, pipelines))
    if pipelines[0].in_statement_set:
        _check_not_empty(statements, pipelines[0])
    return Script(statements=statements, pipeline=pipelines[0])


def _is_create_as(statement: Statement) -> bool:
    create = read_create_table(statement)
    return create is not None and create.is_create_as


def _is_write(statement: Statement) -> bool:
    return statement.starts_with("INSERT") or _is_create_as(statement)


def _is_pipeline(statement: Statement) -> bool:
    """Whether it starts a job: Flink's modify operations and whatever is executed as a plan."""
    if statement.in_statement_set:
        return statement.starts_with("BEGIN", "STATEMENT", "SET")
    first = statement.tokens[0].keyword if statement.tokens else ""
    return (
        first in _MODIFICATIONS
        or first == "EXECUTE"
        or statement.starts_with("COMPILE", "AND", "EXECUTE")
        or _is_create_as(statement)
    )


def _check_query(statement: Statement) -> None:
    tokens = [token for token in statement.tokens if token.text != "("]
    if statement.starts_with("EXECUTE"):
        tokens = tokens[1:]
    keyword = tokens[0].keyword if tokens else ""
    if keyword in _QUERIES:
        raise InvalidSpec(
            f"{statement.place}: a {keyword} by itself writes nowhere: its rows would go to the "
            "JobManager's log and nothing behind it would start; "
            f"write INSERT INTO a_table {keyword} …;"
        )


def _check_member(statement: Statement) -> None:
    """Flink takes nothing but INSERT and CREATE TABLE AS inside a STATEMENT SET."""
    if not statement.in_statement_set or _is_write(statement):
        return
    if statement.starts_with("BEGIN", "STATEMENT", "SET") or statement.starts_with("END"):
        return
    raise InvalidSpec(
        f"{statement.place}: only INSERT and CREATE TABLE … AS may stand between "
        "BEGIN STATEMENT SET and END; move this statement in front of it"
    )


def _check_not_empty(statements: tuple[Statement, ...], begins: Statement) -> None:
    if not any(member.in_statement_set and _is_write(member) for member in statements):
        raise InvalidSpec(
            f"{begins.place}: {_NO_JOB}: this STATEMENT SET is empty; {_WRITE_INSERT}"
        )


def _check_settings(statement: Statement) -> None:
    """Refuse SET and RESET of what belongs to the operator: the script's word would win."""
    is_set = statement.starts_with("SET")
    if not (is_set or statement.starts_with("RESET")):
        return
    words = statement.tokens[1:]
    if not words:
        return
    key, value = _setting(statement, words)
    why = refusal(key, value)
    if why is not None:
        raise InvalidSpec(f"{statement.place}: {why}")


def _setting(statement: Statement, words: tuple[Token, ...]) -> tuple[str, str]:
    """Read key and value of SET or RESET.

    Flink takes 'key' = 'value', and by a regular expression of its own also key = value without
    quotes. What else its grammar takes for a text (U&'…', several literals in a row) could hide a
    key: refused.
    """
    equals = next((index for index, word in enumerate(words) if word.text == "="), len(words))
    key_words, value_words = words[:equals], words[equals + 1 :]
    plain = len(key_words) == 1 and key_words[0].kind is Kind.STRING
    bare = bool(key_words) and all(word.kind in (Kind.WORD, Kind.SYMBOL) for word in key_words)
    key = key_words[0].value if plain else "".join(word.text for word in key_words)
    if not (plain or bare) or "${" in key:
        raise InvalidSpec(
            f"{statement.place}: write the key as one text in quotes: SET 'key' = 'value';"
        )
    if len(value_words) == 1:
        return key, value_words[0].value
    return key, "".join(word.text for word in value_words)


def _several(statements: tuple[Statement, ...], pipelines: list[Statement]) -> str:
    first, second = pipelines[:2]
    writes = [
        _outline(statement)
        for statement in statements
        if _is_write(statement) and (statement.in_statement_set or statement in pipelines)
    ]
    if len(writes) > _SHOWN_STATEMENTS:
        writes = [*writes[:_SHOWN_STATEMENTS], "…"]
    body = " ".join(writes) or "INSERT INTO …; INSERT INTO …;"
    return (
        f"{second.place}: the script starts a second job here (the first one at {first.place}), "
        "and a StreamJob is one job: put all of them into one set: "
        f"BEGIN STATEMENT SET; {body} END;"
    )


def _outline(statement: Statement) -> str:
    """`INSERT INTO totals …;`"""
    create = read_create_table(statement)
    if create is not None:
        return f"CREATE TABLE {create.path.written} AS …;"
    verb = " ".join(token.text for token in statement.tokens[:2])
    target = Cursor(statement.tokens, 2).path()
    return f"{verb} {target.written if target else ''} …;"
