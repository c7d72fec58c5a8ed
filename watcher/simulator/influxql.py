# SPDX-License-Identifier: Apache-2.0
"""The part of InfluxQL that a metric source asks, as values.

``SELECT call [AS name] FROM measurement | (subquery) [WHERE ...] [GROUP BY tags | * | time(d)]``
and ``SHOW MEASUREMENTS | DATABASES | TAG VALUES | TAG KEYS | FIELD KEYS``.
See https://docs.influxdata.com/influxdb/v1/query_language/spec/.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

_UNITS_S = {
    "ns": 1e-9, "u": 1e-6, "µ": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0,
    "w": 604800.0,
}  # fmt: skip
_TOKENS = re.compile(
    r"""\s*(?:
      (?P<string>'(?:[^'\\]|\\.)*') | (?P<ident>"(?:[^"\\]|\\.)*") |
      (?P<duration>\d+(?:ns|ms|u|µ|s|m|h|d|w)\b) | (?P<number>\d+(?:\.\d+)?) |
      (?P<regex>(?<=~)\s*/(?:[^/\\]|\\.)*/) | (?P<word>[A-Za-z_][A-Za-z0-9_]*) |
      (?P<op>=~|!~|!=|<>|<=|>=|[=<>(),*;.+-])
    )""",
    re.VERBOSE,
)
_AGO = re.compile(r"(\d+)(ns|ms|u|µ|s|m|h|d|w)")


class SyntaxRefusal(Exception):
    """A query that cannot be parsed; the text is what the server answers."""


class Call(NamedTuple):
    """One column: a function of a field, under a name."""

    function: str
    field: str
    name: str
    arguments: tuple[Any, ...] = ()


class Test(NamedTuple):
    """One comparison of a tag."""

    tag: str
    operator: str
    value: str


class Junction(NamedTuple):
    """Conditions joined by AND or OR."""

    word: str
    parts: tuple[Any, ...]


@dataclass(frozen=True)
class Select:
    """A SELECT statement.

    :ivar group: names of tags; ``*`` for all of them
    :ivar start: first moment of the window, seconds since the epoch; None for no limit
    :ivar end: first moment after the window
    :ivar every_s: width of the buckets of GROUP BY time(); None for one bucket
    """

    calls: tuple[Call, ...]
    source: "str | Select"
    where: Test | Junction | None
    group: tuple[str, ...]
    start: float | None
    end: float | None
    every_s: float | None = None


class Show(NamedTuple):
    """A SHOW statement: what, of which measurement, of which tag."""

    what: str
    measurement: str | None = None
    key: str | None = None


def parse(text: str, now: float) -> list[Select | Show]:
    """The statements of a query.

    :raises SyntaxRefusal: as the server words it
    """
    tokens = _tokens(text)
    parser = _Parser(tokens, now)
    statements = []
    while not parser.at_end():
        statements.append(parser.statement())
        while parser.take(";"):
            pass
    if not statements:
        raise SyntaxRefusal("missing required parameter \"q\"")  # fmt: skip
    return statements


def _tokens(text: str) -> list[tuple[str, str]]:
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        match = _TOKENS.match(text, at)
        if match is None:
            raise SyntaxRefusal(f"error parsing query: found {text[at]}, at char {at + 1}")
        found.append((str(match.lastgroup), match[str(match.lastgroup)].strip()))
        at = match.end()
    return found


class _Parser:
    """Recursive descent over the tokens."""

    def __init__(self, tokens: Sequence[tuple[str, str]], now: float) -> None:
        self._tokens, self._at, self._now = tokens, 0, now
        self._start: float | None = None
        self._end: float | None = None

    def at_end(self) -> bool:
        return self._at >= len(self._tokens)

    def _peek(self) -> tuple[str, str]:
        return ("end", "EOF") if self.at_end() else self._tokens[self._at]

    def take(self, *wanted: str) -> bool:
        """Step over these words or signs if they are next."""
        ahead = self._tokens[self._at : self._at + len(wanted)]
        kinds = ("word", "op")
        if [text.upper() for kind, text in ahead if kind in kinds] != list(wanted):
            return False
        self._at += len(wanted)
        return True

    def _need(self, *wanted: str) -> None:
        if not self.take(*wanted):
            raise SyntaxRefusal(
                f"error parsing query: found {self._peek()[1]}, expected {' '.join(wanted)}"
            )

    def _next(self, *kinds: str) -> str:
        kind, text = self._peek()
        if kind not in kinds:
            raise SyntaxRefusal(f"error parsing query: found {text}, expected {kinds[0]}")
        self._at += 1
        if kind in ("string", "ident"):
            return re.sub(r"\\(.)", r"\1", text[1:-1])
        return text

    def statement(self) -> Select | Show:
        if self.take("SHOW"):
            return self._show()
        return self._select()

    def _show(self) -> Show:
        if self.take("MEASUREMENTS") or self.take("DATABASES"):
            what = self._tokens[self._at - 1][1].upper()
            return Show(what)
        first, second = self._next("word").upper(), self._next("word").upper()
        what = f"{first} {second}"
        if what not in ("TAG VALUES", "TAG KEYS", "FIELD KEYS"):
            raise SyntaxRefusal(f"error parsing query: found {first}, expected MEASUREMENTS")
        measurement = self._next("ident", "word") if self.take("FROM") else None
        key = None
        if self.take("WITH"):
            self._need("KEY")
            self._need("=")
            key = self._next("ident", "word")
        return Show(what, measurement, key)

    def _select(self) -> Select:
        self._need("SELECT")
        calls = [self._call()]
        while self.take(","):
            calls.append(self._call())
        self._need("FROM")
        source: str | Select
        if self.take("("):
            source = self._select()
            self._need(")")
        else:
            source = self._measurement()
        self._start = self._end = None
        where = self._either() if self.take("WHERE") else None
        start, end = self._start, self._end
        group, every_s = self._group()
        return Select(tuple(calls), source, where, group, start, end, every_s)

    def _measurement(self) -> str:
        name = self._next("ident", "word")
        while self.take("."):
            # "database"."retention policy"."measurement": there is one history only
            if self._peek()[0] in ("ident", "word"):
                name = self._next("ident", "word")
        return name

    def _call(self) -> Call:
        function = self._next("word")
        if not self.take("("):
            raise SyntaxRefusal("mixing aggregate and non-aggregate queries is not supported")
        field = self._next("ident", "word", "number")
        arguments = []
        while self.take(","):
            arguments.append(self._duration() if self._peek()[0] == "duration" else
                             float(self._next("number")))  # fmt: skip
        self._need(")")
        name = self._next("ident", "word") if self.take("AS") else function.lower()
        return Call(function.lower(), field, name, tuple(arguments))

    def _duration(self) -> float:
        text = self._next("duration")
        amount, unit = _AGO.fullmatch(text).groups()  # type: ignore[union-attr]
        return int(amount) * _UNITS_S[unit]

    def _either(self) -> Any:
        parts = [self._both()]
        while self.take("OR"):
            parts.append(self._both())
        return _joined("OR", parts)

    def _both(self) -> Any:
        parts = [self._condition()]
        while self.take("AND"):
            parts.append(self._condition())
        return _joined("AND", parts)

    def _condition(self) -> Any:
        if self.take("("):
            inside = self._either()
            self._need(")")
            return inside
        name = self._next("ident", "word")
        operator = self._next("op")
        if name == "time":
            self._bound(operator, self._moment())
            return None
        if operator in ("=~", "!~"):
            return Test(name, operator, self._next("regex")[1:-1].replace("\\/", "/"))
        return Test(name, operator, self._next("string"))

    def _moment(self) -> float:
        kind, text = self._peek()
        if kind == "string":
            return _iso_seconds(self._next("string"))
        if self.take("NOW", "(", ")"):
            moment = self._now
            while self._peek()[1] in ("+", "-"):
                sign = -1 if self._next("op") == "-" else 1
                moment += sign * self._duration()
            return moment
        if kind == "duration":
            return self._duration()
        if kind == "number":
            return int(self._next("number")) / 1e9
        raise SyntaxRefusal(f"error parsing query: found {text}, expected time")

    def _bound(self, operator: str, moment: float) -> None:
        tick = 1e-6
        if operator in (">", ">="):
            self._start = moment + (tick if operator == ">" else 0)
        elif operator in ("<", "<="):
            self._end = moment + (tick if operator == "<=" else 0)
        else:
            self._start, self._end = moment, moment + tick

    def _group(self) -> tuple[tuple[str, ...], float | None]:
        names: list[str] = []
        every_s = None
        if self.take("GROUP", "BY"):
            while True:
                if self.take("*"):
                    names.append("*")
                elif self.take("TIME", "("):
                    every_s = self._duration()
                    self._need(")")
                else:
                    names.append(self._next("ident", "word"))
                if not self.take(","):
                    break
        if self.take("FILL", "("):
            self._at += 1
            self._need(")")
        return tuple(names), every_s


def _joined(word: str, parts: Sequence[Any]) -> Any:
    """A junction without the bounds of time, which are kept beside it."""
    kept = tuple(part for part in parts if part is not None)
    return Junction(word, kept) if len(kept) > 1 else kept[0] if kept else None


def _iso_seconds(text: str) -> float:
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise SyntaxRefusal(
            f"invalid operation: time and *influxql.StringLiteral {text}"
        ) from None
    return (value if value.tzinfo else value.replace(tzinfo=UTC)).timestamp()
