"""The tables that a script makes and changes: names, connector options, where they come from.

The grammar is that of Flink 2.x: `CREATE [OR REPLACE] [TEMPORARY] TABLE [IF NOT EXISTS] a.b.c (…)
WITH (…) [LIKE base (…) | AS query]`, `ALTER TABLE [IF EXISTS] a SET|RESET (…)`, `… RENAME TO b`,
`DROP TABLE a`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from streamjob_operator.sql.statements import Kind, Statement, Token

Options = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Path:
    """The name of a table or view: up to three parts."""

    parts: tuple[Token, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The parts without their quotes; Flink tells upper from lower case."""
        return tuple(part.value for part in self.parts)

    @property
    def written(self) -> str:
        """As the user wrote it, on one line."""
        return ".".join(part.text for part in self.parts)

    def sibling(self, suffix: str) -> str:
        """Write a name next to this one, fit to be written into SQL."""
        last = (self.parts[-1].value + suffix).replace("`", "``")
        return ".".join([*(part.text for part in self.parts[:-1]), f"`{last}`"])


@dataclass(frozen=True, slots=True)
class Like:
    """The table that another one is made after."""

    base: Path
    takes_options: bool


@dataclass(frozen=True, slots=True)
class CreateTable:
    """`CREATE TABLE`, or `CREATE|REPLACE TABLE … AS`, which also starts a job."""

    path: Path
    options: Options
    temporary: bool = False
    if_not_exists: bool = False
    like: Like | None = None
    is_create_as: bool = False


@dataclass(frozen=True, slots=True)
class AlterTable:
    """`ALTER TABLE` in so far as it touches options or the name."""

    path: Path
    set_options: Options = field(default_factory=dict)
    reset_keys: tuple[str, ...] = ()
    renamed_to: Path | None = None


class Cursor:
    """Walks over the tokens of a statement."""

    def __init__(self, tokens: tuple[Token, ...], index: int = 0) -> None:
        self.tokens = tokens
        self.index = index

    def accept(self, *keywords: str) -> bool:
        """Step over these words, all or none of them; says whether they were there."""
        ahead = self.tokens[self.index : self.index + len(keywords)]
        found = tuple(token.keyword for token in ahead) == keywords
        self.index += len(keywords) if found else 0
        return found

    def path(self) -> Path | None:
        """Step over a name; None where none stands."""
        parts = []
        while (part := self._peek()) and part.kind in (Kind.WORD, Kind.QUOTED):
            if "\n" in part.text:
                return None
            parts.append(part)
            self.index += 1
            dot = self._peek()
            if dot is None or dot.text != ".":
                break
            self.index += 1
        return Path(tuple(parts)) if parts else None

    def parenthesised(self) -> tuple[Token, ...]:
        """Step over `( … )`; what stands inside, empty where no parenthesis opens here."""
        if not self._at_parenthesis():
            return ()
        first = self.index + 1
        depth = 0
        while token := self._peek():
            self.index += 1
            if token.kind is Kind.SYMBOL:
                depth += (token.text == "(") - (token.text == ")")
            if depth == 0:
                return self.tokens[first : self.index - 1]
        return self.tokens[first:]

    def skip(self) -> None:
        """Step over one token, or over `( … )` as a whole."""
        if self._at_parenthesis():
            self.parenthesised()
        else:
            self.index += 1

    def _at_parenthesis(self) -> bool:
        token = self._peek()
        return token is not None and token.kind is Kind.SYMBOL and token.text == "("

    def _peek(self) -> Token | None:
        return self.tokens[self.index] if self.index < len(self.tokens) else None


def read_create_table(statement: Statement) -> CreateTable | None:
    """Read the table that a statement creates; None for every other statement."""
    cursor = Cursor(statement.tokens)
    temporary = False
    if cursor.accept("CREATE"):
        cursor.accept("OR", "REPLACE")
        temporary = cursor.accept("TEMPORARY")
        if not cursor.accept("TABLE"):
            return None
    elif not cursor.accept("REPLACE", "TABLE"):
        return None
    if_not_exists = cursor.accept("IF", "NOT", "EXISTS")
    path = cursor.path()
    if path is None:
        return None
    options: Options = {}
    like: Like | None = None
    is_create_as = False
    while cursor.index < len(cursor.tokens) and not is_create_as:
        if cursor.accept("WITH"):
            options = option_pairs(cursor.parenthesised())
        elif cursor.accept("LIKE"):
            like = _like(cursor)
        elif cursor.accept("AS"):
            is_create_as = True
        else:
            cursor.skip()
    return CreateTable(path, options, temporary, if_not_exists, like, is_create_as)


def read_create_view(statement: Statement) -> Path | None:
    """Read the view that a statement creates; None for every other statement."""
    cursor = Cursor(statement.tokens)
    if not cursor.accept("CREATE"):
        return None
    cursor.accept("OR", "REPLACE")
    cursor.accept("TEMPORARY")
    if not cursor.accept("VIEW"):
        return None
    cursor.accept("IF", "NOT", "EXISTS")
    return cursor.path()


def read_alter_table(statement: Statement) -> AlterTable | None:
    """Read the change of options or name that a statement makes; None for every other one."""
    cursor = Cursor(statement.tokens)
    if not cursor.accept("ALTER", "TABLE"):
        return None
    cursor.accept("IF", "EXISTS")
    path = cursor.path()
    if path is None:
        return None
    if cursor.accept("SET"):
        return AlterTable(path, set_options=option_pairs(cursor.parenthesised()))
    if cursor.accept("RESET"):
        keys = (token.value for token in cursor.parenthesised() if token.kind is Kind.STRING)
        return AlterTable(path, reset_keys=tuple(keys))
    if cursor.accept("RENAME", "TO"):
        return AlterTable(path, renamed_to=cursor.path())
    return None


def read_drop_table(statement: Statement) -> Path | None:
    """Read the table that a statement drops; None for every other statement."""
    cursor = Cursor(statement.tokens)
    if not cursor.accept("DROP"):
        return None
    cursor.accept("TEMPORARY")
    if not cursor.accept("TABLE"):
        return None
    cursor.accept("IF", "EXISTS")
    return cursor.path()


def option_pairs(tokens: tuple[Token, ...]) -> dict[str, str]:
    """`'key' = 'value', …` as a dictionary."""
    return {
        key.value: value.value
        for key, equals, value in zip(tokens, tokens[1:], tokens[2:], strict=False)
        if key.kind is Kind.STRING and equals.text == "=" and value.kind is Kind.STRING
    }


def _like(cursor: Cursor) -> Like | None:
    """Behind LIKE. Options are taken over unless excluded: Flink's default is INCLUDING ALL."""
    base = cursor.path()
    if base is None:
        return None
    words = [token.keyword for token in cursor.parenthesised()]
    rules = dict(zip(words[1::2], words[::2], strict=False))
    return Like(base, takes_options=rules.get("OPTIONS", rules.get("ALL")) != "EXCLUDING")


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the user's statements have left it so far."""

    path: Path
    options: Options
    temporary: bool

    @property
    def is_kafka(self) -> bool:
        """Whether it takes a start position; upsert-kafka always begins at the beginning."""
        return self.options.get("connector") == "kafka"


class Tables:
    """The tables of a script, statement by statement."""

    def __init__(self) -> None:
        self._by_last_name: dict[str, dict[tuple[str, ...], Table]] = {}

    def apply(self, statement: Statement) -> Table | None:
        """Take a statement into account; gives the table whose options it sets, if any."""
        create = read_create_table(statement)
        if create is not None:
            return self._create(create)
        alter = read_alter_table(statement)
        if alter is not None:
            return self._alter(alter)
        dropped = read_drop_table(statement)
        if dropped is not None:
            self._forget(dropped)
        return None

    def find(self, path: Path) -> Table | None:
        """Look up a table; a name written with more or fewer parts is taken for the same."""
        candidates = self._by_last_name.get(path.names[-1], {})
        exact = candidates.get(path.names)
        if exact is not None:
            return exact
        return next(
            (table for table in reversed(candidates.values()) if _same(table.path, path)), None
        )

    def _create(self, create: CreateTable) -> Table:
        existing = self.find(create.path)
        if create.if_not_exists and existing is not None:
            return existing
        options: Options = create.options
        if create.like is not None and create.like.takes_options:
            base = self.find(create.like.base)
            options = {**(base.options if base else {}), **options}
        return self._keep(Table(create.path, options, create.temporary))

    def _alter(self, alter: AlterTable) -> Table | None:
        table = self.find(alter.path)
        if table is None:
            return None
        if alter.renamed_to is not None:
            self._forget(alter.path)
            new = Path((*table.path.parts[:-1], alter.renamed_to.parts[-1]))
            self._keep(Table(new, table.options, table.temporary))
            return None
        kept = {key: value for key, value in table.options.items() if key not in alter.reset_keys}
        changed = self._keep(Table(table.path, {**kept, **alter.set_options}, table.temporary))
        return Table(alter.path, changed.options, changed.temporary)

    def _keep(self, table: Table) -> Table:
        names = table.path.names
        self._by_last_name.setdefault(names[-1], {})[names] = table
        return table

    def _forget(self, path: Path) -> None:
        table = self.find(path)
        if table is not None:
            names = table.path.names
            del self._by_last_name[names[-1]][names]


def _same(one: Path, other: Path) -> bool:
    """Whether two names, counted from their last part, can mean the same table."""
    pairs = zip(reversed(one.names), reversed(other.names), strict=False)
    return all(left == right for left, right in pairs)
