"""Runs queries of CloudWatch Logs Insights over log lines: the part of the language that the saved queries use.

Anything else in a query is an error, and so is a field that no line has at that place of the query: Logs Insights
accepts such a field, and shows nothing.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/CWL_QuerySyntax.html
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

type Row = Mapping[str, Any]
type Test = Callable[[Row], bool]

_TOKEN = re.compile(r'\s*(?:("(?:[^"\\]|\\.)*")|(\d+(?:\.\d+)?[a-z]*)|(@?[A-Za-z_][\w.]*)|(!=|[()\[\],=*|>]))')
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


class QueryError(Exception):
    """The query uses something that is unknown, or a field that no line has."""


def run(query: str, lines: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the result of a query over lines with flat fields: see `flat`. Raises `QueryError`."""
    return _Query(query).over([dict(line) for line in lines])


def flat(line: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields that Logs Insights discovers in a JSON line: those of an object are joined with a dot."""
    found: dict[str, Any] = {}
    for name, value in line.items():
        found |= flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": value}
    return found


@dataclass(frozen=True)
class _Shown:
    """A column of `stats`."""

    name: str
    of: Callable[[Sequence[Row]], Any]


class _Query:
    def __init__(self, query: str) -> None:
        self._text, self._tokens = query, list(_split(query.strip()))
        self._rows: list[dict[str, Any]] = []
        self._shown: list[str] | None = None  # None shows every field

    def over(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        commands = {"fields": self._fields, "filter": self._filter, "limit": self._limit, "sort": self._sort}
        commands["stats"] = self._stats
        self._rows = rows
        while True:
            name = self._take()
            if name not in commands:
                self._refuse(f"the command {name}")
            commands[name]()
            if not self._tokens:
                break
            self._expect("|")
        if self._shown is None:
            return self._rows
        return [{name: row.get(name) for name in self._shown} for row in self._rows]

    # Commands

    def _fields(self) -> None:
        self._shown = self._list(self._column)

    def _filter(self) -> None:
        test = self._either()
        self._rows = [row for row in self._rows if test(row)]

    def _limit(self) -> None:
        self._rows = self._rows[: int(self._number())]

    def _sort(self) -> None:
        name, order = self._field(), self._take()
        if order not in {"asc", "desc"}:
            self._refuse(f"the order {order}")
        self._rows.sort(key=lambda row: (row.get(name) is not None, row.get(name)), reverse=order == "desc")

    def _stats(self) -> None:
        shown = self._list(self._aggregate)
        keys: list[tuple[str, Callable[[Row], Any]]] = []
        if self._next("by"):
            keys = self._list(self._key)
        groups: dict[tuple[Any, ...], list[Row]] = {}
        for row in self._rows:
            groups.setdefault(tuple(key(row) for _, key in keys), []).append(row)
        self._rows = [
            dict(zip([name for name, _ in keys], group, strict=True)) | {each.name: each.of(rows) for each in shown}
            for group, rows in groups.items()
        ]
        self._shown = None

    # Parts of commands

    def _column(self) -> str:
        field = self._field()
        if not self._next("as"):
            return field
        name = self._take()
        for row in self._rows:
            row[name] = row.get(field)
        return name

    def _aggregate(self) -> _Shown:
        function = self._take()
        self._expect("(")
        if function == "count":
            self._expect("*")
            of: Callable[[Sequence[Row]], Any] = len
        else:
            of = self._over_numbers(function)
        self._expect(")")
        self._expect("as")
        return _Shown(self._take(), of)

    def _over_numbers(self, function: str) -> Callable[[Sequence[Row]], Any]:
        field = self._field()
        if function == "count_distinct":
            return lambda rows: len({row[field] for row in rows if row.get(field) is not None})
        functions: dict[str, Callable[[list[float]], float]] = {
            "avg": lambda values: sum(values) / len(values),
            "max": max,
            "min": min,
            "sum": sum,
        }
        if function == "pct":
            self._expect(",")
            share = self._number() / 100
            functions["pct"] = lambda values: sorted(values)[min(int(len(values) * share), len(values) - 1)]
        if function not in functions:
            self._refuse(f"the function {function}")
        return lambda rows: functions[function]([float(row[field]) for row in rows if row.get(field) is not None])

    def _key(self) -> tuple[str, Callable[[Row], Any]]:
        if not self._next("bin"):
            field = self._field()
            return field, lambda row: row.get(field)
        self._expect("(")
        text = self._take()
        width = int(text[:-1]) * _UNITS[text[-1]]
        self._expect(")")
        self._known("@timestamp")
        return f"bin({text})", lambda row: row["@timestamp"] // width * width

    def _either(self) -> Test:
        tests = [self._every()]
        while self._next("or"):
            tests.append(self._every())
        return lambda row: any(test(row) for test in tests)

    def _every(self) -> Test:
        tests = [self._comparison()]
        while self._next("and"):
            tests.append(self._comparison())
        return lambda row: all(test(row) for test in tests)

    def _comparison(self) -> Test:
        if self._next("("):
            test = self._either()
            self._expect(")")
            return test
        if self._next("ispresent"):
            self._expect("(")
            present = self._field()
            self._expect(")")
            return lambda row: row.get(present) is not None
        field, operator = self._field(), self._take()
        match operator:
            case "=":
                value = self._value()
                return lambda row: row.get(field) == value
            case "!=":
                other = self._value()
                return lambda row: row.get(field) != other
            case "like":
                part = self._value()
                return lambda row: part in str(row.get(field, ""))
            case ">":
                least = self._number()
                return lambda row: float(row.get(field) or 0) > least
            case "in":
                self._expect("[")
                values = self._list(self._value)
                self._expect("]")
                return lambda row: row.get(field) in values
        return self._refuse(f"the comparison {operator}")

    # Tokens

    def _list[Part](self, part: Callable[[], Part]) -> list[Part]:
        found = [part()]
        while self._next(","):
            found.append(part())
        return found

    def _value(self) -> str:
        token = self._take()
        if not token.startswith('"'):
            self._refuse(f"the value {token}: give a text in quotes")
        return token[1:-1]

    def _number(self) -> float:
        token = self._take()
        if not re.fullmatch(r"\d+(\.\d+)?", token):
            self._refuse(f"the number {token}")
        return float(token)

    def _field(self) -> str:
        return self._known(self._take())

    def _known(self, field: str) -> str:
        if not any(row.get(field) is not None for row in self._rows):
            self._refuse(f"the field {field}, which none of {len(self._rows)} lines has")
        return field

    def _next(self, token: str) -> bool:
        if self._tokens and self._tokens[0] == token:
            self._tokens.pop(0)
            return True
        return False

    def _expect(self, token: str) -> None:
        if not self._next(token):
            self._refuse(f"{self._tokens[:1]} in the place of {token}")

    def _take(self) -> str:
        if not self._tokens:
            self._refuse("an end that is too early")
        return self._tokens.pop(0)

    def _refuse(self, what: str) -> NoReturn:
        raise QueryError(f"{what}, in {self._text!r}")


def _split(text: str) -> Iterator[str]:
    place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        if not found:
            raise QueryError(f"{text[place : place + 20]!r} cannot be read, in {text!r}")
        yield next(part for part in found.groups() if part)
        place = found.end()
