"""Sources whose start position an ALTER TABLE in the script does not decide: for a warning."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from streamjob_operator.sql.statements import Kind, Statement, Token, split, tokenize
from streamjob_operator.sql.tables import (
    Cursor,
    Path,
    Tables,
    option_pairs,
    read_create_table,
    read_create_view,
)

_MODE: Final = "scan.startup.mode"
_DEFAULT_CATALOG: Final = "default_catalog"
_QUALIFIED: Final = 3
_NO_TABLES: Final = frozenset({"LATERAL", "TABLE", "UNNEST", "SELECT", "VALUES"})


def beyond_reach(script: str) -> tuple[str, ...]:
    """Name what the start position does not reach, one sentence each; empty for most scripts.

    Hints that name a start mode win over it; tables that the script does not create may be Kafka
    tables of another catalog; of a table made LIKE one of those the connector is not known. A comma
    in FROM is not followed. Raises InvalidSpec for a script that can't be split.
    """
    statements = split(script)
    found = [*_hints(statements), *_unknown_bases(statements), *_foreign_tables(statements)]
    return tuple(dict.fromkeys(found))


def _hints(statements: tuple[Statement, ...]) -> Iterator[str]:
    for statement in statements:
        for index, token in enumerate(statement.tokens):
            if token.kind is Kind.HINT and _MODE in option_pairs(_inside(token)):
                name = _path_before(statement.tokens, index)
                yield f"{name} ({statement.place}): its hint OPTIONS('{_MODE}'=…) wins"


def _inside(hint: Token) -> tuple[Token, ...]:
    """Read the tokens of a hint; one that cuts a quote in two is Flink's to refuse."""
    text = hint.text.removeprefix("/*+").removesuffix("*/")
    return tokenize(text) if text.count("'") % 2 == 0 and "/*" not in text else ()


def _path_before(tokens: tuple[Token, ...], index: int) -> str:
    first = index
    while first > 0 and (
        first == index or tokens[first].text == "." or tokens[first - 1].text == "."
    ):
        first -= 1
    return "".join(token.text for token in tokens[first:index]) or "a table"


def _unknown_bases(statements: tuple[Statement, ...]) -> Iterator[str]:
    tables = Tables()
    for statement in statements:
        create = read_create_table(statement)
        if (
            create
            and create.like
            and create.like.takes_options
            and "connector" not in create.options
        ):
            base = create.like.base
            if tables.find(base) is None:
                name = create.path.written
                yield f"{name} ({statement.place}): is LIKE {base.written}, not created here"
        tables.apply(statement)


def _foreign_tables(statements: tuple[Statement, ...]) -> Iterator[str]:
    """Tables that are read and not created here, where the script speaks of catalogs at all."""
    known = set(_created(statements))
    catalogs = any(
        statement.starts_with("USE", "CATALOG") or statement.starts_with("CREATE", "CATALOG")
        for statement in statements
    )
    for statement in statements:
        local = set(_common_table_names(statement.tokens))
        for path in _sources(statement.tokens):
            qualified = len(path.names) >= _QUALIFIED and path.names[0] != _DEFAULT_CATALOG
            name = path.names[-1]
            if (catalogs or qualified) and name not in known and name not in local:
                yield f"{path.written} ({statement.place}): not created in this script"


def _created(statements: tuple[Statement, ...]) -> Iterator[str]:
    for statement in statements:
        create = read_create_table(statement)
        path = create.path if create else read_create_view(statement)
        if path is not None:
            yield path.names[-1]


def _common_table_names(tokens: tuple[Token, ...]) -> Iterator[str]:
    """Find the x of `WITH x AS (…)`."""
    for name, keyword, opening in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if keyword.keyword == "AS" and opening.text == "(":
            yield name.value


def _sources(tokens: tuple[Token, ...]) -> Iterator[Path]:
    """Find the tables behind FROM, JOIN and, in a table function's arguments, TABLE."""
    groups = [""]
    for index, token in enumerate(tokens):
        before = tokens[index - 1] if index else None
        if before is not None and before.kind is Kind.SYMBOL and before.text == "(":
            groups[-1] = token.keyword
        if token.kind is Kind.SYMBOL and token.text == "(":
            groups.append("")
        elif token.kind is Kind.SYMBOL and token.text == ")" and len(groups) > 1:
            groups.pop()
        elif before is not None and _names_a_table(token, before, groups):
            path = _table_at(tokens, index + 1)
            if path is not None:
                yield path


def _names_a_table(token: Token, before: Token, groups: list[str]) -> bool:
    """Not so the FROM of EXTRACT(… FROM x), TRIM(… FROM x) and IS DISTINCT FROM."""
    if token.keyword == "TABLE":
        return len(groups) > 1 and before.text in {"(", ",", ">"}
    in_query = len(groups) == 1 or groups[-1] in {"SELECT", "WITH"}
    return in_query and (
        token.keyword == "JOIN" or (token.keyword == "FROM" and before.keyword != "DISTINCT")
    )


def _table_at(tokens: tuple[Token, ...], index: int) -> Path | None:
    cursor = Cursor(tokens, index)
    if index < len(tokens) and tokens[index].keyword in _NO_TABLES:
        return None
    path = cursor.path()
    following = tokens[cursor.index].text if cursor.index < len(tokens) else ""
    return None if following == "(" else path
