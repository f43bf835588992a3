"""A SQL script as the statements that Flink will read in it, with their places in the text.

Flink's ScriptExecutor (2.x) ends a statement at a `;` outside quotes and comments, takes the
blanks, `;` and comments behind it along, and reads on over a `;` for as long as its parser finds
the statement incomplete: that is how `EXECUTE STATEMENT SET BEGIN …; END` stays whole, while
`BEGIN STATEMENT SET;` … `END;` are statements of their own.

The words are found by one regular expression, not by sqlglot's tokenizer: that one does not say
where an unclosed comment begins, drops hints (comments to it) with their places, always takes
Jinja's `{# #}` for a comment, and needs as many lines to be told Flink's few rules as the rules
themselves. A reader that is to refuse settings by name must see exactly what Flink sees.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from streamjob_operator.errors import InvalidSpec


class Kind(StrEnum):
    """What a token is. Blanks and comments are none."""

    WORD = "word"
    """A keyword or a name without quotes."""
    STRING = "string"
    """'text'; a quote in it is doubled, a backslash is nothing special."""
    QUOTED = "quoted"
    """A name in backticks, or text in double quotes, which Flink refuses by itself."""
    HINT = "hint"
    """The whole of /*+ … */."""
    SYMBOL = "symbol"
    """A number or a single character."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a statement; `start` and `end` are offsets into the script."""

    kind: Kind
    text: str
    start: int

    @property
    def end(self) -> int:
        """The offset behind the token."""
        return self.start + len(self.text)

    @property
    def keyword(self) -> str:
        """The word in capitals; empty for everything that can be no keyword."""
        return self.text.upper() if self.kind is Kind.WORD else ""

    @property
    def value(self) -> str:
        """The text without its quotes, doubled ones undone."""
        if self.kind not in (Kind.STRING, Kind.QUOTED):
            return self.text
        quote = self.text[0]
        return self.text[1:-1].replace(quote * 2, quote)


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement. Offsets count characters of the script, lines and columns count from 1."""

    text: str
    """From `start` up to the next statement: all texts joined are the script."""
    start: int
    end: int
    """Behind the `;` that ends the statement, or the end of the script."""
    line: int
    column: int
    """Of its first word."""
    tokens: tuple[Token, ...]
    """Its words, without the `;` that ends it. Empty where only blanks and comments stand."""
    terminated: bool
    """Whether a `;` ends it."""
    in_statement_set: bool
    """From `BEGIN STATEMENT SET` to its `END`, both included."""

    @property
    def place(self) -> str:
        """For messages: `line 3, column 1`."""
        return f"line {self.line}, column {self.column}"

    def starts_with(self, *keywords: str) -> bool:
        """Whether these are its first words."""
        first = self.tokens[: len(keywords)]
        return tuple(token.keyword for token in first) == keywords


_LEXEME = re.compile(
    r"""
      (?P<blank>\s+ | --[^\n]* | /\*(?!\+).*?\*/)
    | (?P<hint>/\*\+.*?\*/)
    | (?P<string>'(?:[^']++|'')*+')
    | (?P<quoted>"[^"]*" | `(?:[^`]++|``)*+`)
    | (?P<unclosed>['"`]|/\*)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<symbol>\d[\w.]*|.)
    """,
    re.DOTALL | re.VERBOSE,
)

_LONE_CARRIAGE_RETURN = re.compile(r"\r(?!\n)")

_UNCLOSED = {
    "'": "the text that begins with ' here is never closed: add the closing ' "
    "(a ' inside of text is written twice)",
    '"': 'the " here is never closed: put text in single quotes and names in backticks',
    "`": "the name that begins with ` here is never closed: add the closing `",
    "/*": "the comment that begins with /* here is never closed: add the closing */",
}


class _Places:
    """Turns offsets of a script into lines and columns."""

    def __init__(self, script: str) -> None:
        lengths = (len(line) + 1 for line in script.split("\n"))
        self._line_starts = [0, *accumulate(lengths)]

    def of(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._line_starts, offset)
        return line, offset - self._line_starts[line - 1] + 1

    def refusal(self, offset: int, why: str) -> InvalidSpec:
        """Make the error to raise for what stands there."""
        line, column = self.of(offset)
        return InvalidSpec(f"line {line}, column {column}: {why}")


def split(script: str) -> tuple[Statement, ...]:
    """Split a script into statements; their texts joined are the script again.

    A script of blanks and comments alone is one statement without words. Raises InvalidSpec, with
    line and column, for a quote, a comment or a STATEMENT SET without its end.
    """
    if not script:
        return ()
    places = _Places(script)
    pieces = _pieces(tokenize(script), places)
    statements = []
    set_begins: int | None = None
    start = 0
    for tokens, terminator in pieces:
        end = terminator.end if terminator else len(script)
        after = _text_end(script, end)
        line, column = places.of(tokens[0].start if tokens else start)
        begins = _keywords(tokens[:3]) == ["BEGIN", "STATEMENT", "SET"]
        if begins and set_begins is None:
            set_begins = tokens[0].start
        statements.append(
            Statement(
                text=script[start:after],
                start=start,
                end=end,
                line=line,
                column=column,
                tokens=tokens,
                terminated=terminator is not None,
                in_statement_set=set_begins is not None,
            )
        )
        if _keywords(tokens) == ["END"]:
            set_begins = None
        start = after
    if set_begins is not None:
        raise places.refusal(
            set_begins, "this BEGIN STATEMENT SET has no end: write END; after its last INSERT"
        )
    return tuple(statements)


def tokenize(script: str) -> tuple[Token, ...]:
    """Find the words of a script, with hints, without blanks and comments.

    Raises InvalidSpec, with line and column, for a quote or comment that is never closed, and where
    Flink's splitter and Flink's parser disagree on what is a comment: behind a carriage return
    without line feed, and at a `*` right behind a comment.
    """
    lone = _LONE_CARRIAGE_RETURN.search(script)
    if lone:
        raise _Places(script).refusal(
            lone.start(), "a carriage return without a line feed: save the script with LF line ends"
        )
    tokens = []
    for lexeme in _LEXEME.finditer(script):
        group = lexeme.lastgroup or ""
        if group == "unclosed":
            raise _Places(script).refusal(lexeme.start(), _UNCLOSED[lexeme.group()])
        if script.startswith("*/*", lexeme.end() - 2) and group in {"blank", "hint"}:
            raise _Places(script).refusal(
                lexeme.end(),
                "Flink takes */* for the start of a comment: put a blank before this *",
            )
        if group == "blank":
            continue
        tokens.append(Token(Kind(group), lexeme.group(), lexeme.start()))
    return tuple(tokens)


def _keywords(tokens: Iterable[Token]) -> list[str]:
    return [token.keyword for token in tokens]


_Piece = tuple[tuple[Token, ...], Token | None]


def _pieces(tokens: Iterable[Token], places: _Places) -> list[_Piece]:
    """Group the tokens by statement, each with the `;` that ends it.

    A `;` with nothing before it belongs to the statement in front, if there is one.
    """
    pieces: list[_Piece] = []
    current: list[Token] = []
    block = _Block()
    for token in tokens:
        if token.kind is not Kind.SYMBOL or token.text != ";":
            current.append(token)
            block.see(token, is_first=len(current) == 1)
        elif block.begins is not None:
            current.append(token)
        elif current or not pieces:
            pieces.append((tuple(current), token))
            current = []
    if block.begins is not None:
        raise places.refusal(
            block.begins.start, "this BEGIN has no END: write END; after the last INSERT of the set"
        )
    if current or not pieces:
        pieces.append((tuple(current), None))
    return pieces


class _Block:
    """Follows `EXECUTE|COMPILE|EXPLAIN … STATEMENT SET BEGIN … END`: no `;` in it ends anything."""

    def __init__(self) -> None:
        self.begins: Token | None = None
        self._possible = False
        self._recent: tuple[str, ...] = ()
        self._open_cases = 0

    def see(self, token: Token, *, is_first: bool) -> None:
        """Take the next token of a statement into account."""
        keyword = token.keyword
        if is_first:
            self._possible = keyword in {"EXECUTE", "COMPILE", "EXPLAIN"}
            self._recent = ()
        if not self._possible:
            return
        self._recent = (*self._recent[-2:], keyword)
        if self.begins is None:
            if self._recent == ("STATEMENT", "SET", "BEGIN"):
                self.begins = token
                self._open_cases = 0
        elif keyword == "CASE":
            self._open_cases += 1
        elif keyword == "END" and self._open_cases:
            self._open_cases -= 1
        elif keyword == "END":
            self.begins = None


_TRAILING = re.compile(r"(?:\s++|;|--[^\n]*+|/\*(?!\+)(?s:.*?)\*/)*+")


def _text_end(script: str, end: int) -> int:
    """Where the blanks, comments and further `;` behind a statement end."""
    trailing = _TRAILING.match(script, end)
    return trailing.end() if trailing else end
