"""Reads a JSON file and keeps the line of each value, so that a problem can name it."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

from lark import Lark, Token, Tree

__all__ = ["Document", "Key", "Problem", "SyntaxProblemError", "dotted", "texts"]

type Key = tuple[str | int, ...]


@dataclass(frozen=True, order=True)
class Problem:
    """What is wrong in a file. `line` counts from 1."""

    file: Path
    line: int
    message: str

    def __str__(self) -> str:
        """Return `FILE:LINE: MESSAGE`. The file is relative to the current folder, if it is below."""
        here = Path.cwd()
        file = self.file.relative_to(here) if self.file.is_relative_to(here) else self.file
        return f"{file}:{self.line}: {self.message}"


class SyntaxProblemError(Exception):
    """The file is not JSON."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(str(problem))
        self.problem = problem


@dataclass(frozen=True)
class Document:
    """A JSON file: its value, the line of each key or element by its path, and the keys that an object has twice."""

    file: Path
    value: Any
    _lines: dict[Key, int] = field(repr=False)
    duplicates: tuple[tuple[Key, int], ...] = ()

    @classmethod
    def read(cls, file: Path) -> "Document":
        """Read a file. Raises `SyntaxProblemError` if it is not JSON, `OSError` if it cannot be read."""
        try:
            text = file.read_text("utf-8")
        except UnicodeDecodeError as error:
            problem = Problem(file, 1, f"this is not UTF-8 (byte {error.start}): save the file as UTF-8.")
            raise SyntaxProblemError(problem) from error
        try:
            value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        except json.JSONDecodeError as error:
            problem = Problem(file, error.lineno, _explained(error, text))
            raise SyntaxProblemError(problem) from error
        except ValueError as error:
            raise SyntaxProblemError(Problem(file, _line_of(text, str(error)), f"{error} is not JSON.")) from error
        lines: dict[Key, int] = {(): 1}
        duplicates: list[tuple[Key, int]] = []
        for path, line in _positions(_parser().parse(text), ()):
            if path in lines and path:
                duplicates.append((path, line))
            lines[path] = line
        return cls(file, value, lines, tuple(duplicates))

    def line(self, path: Key) -> int:
        """Return the line of the key or element at a path; that of the nearest one above it, if it is missing."""
        while path not in self._lines:
            path = path[:-1]
        return self._lines[path]

    def problem(self, path: Key, message: str) -> Problem:
        """Return a problem at a path."""
        return Problem(self.file, self.line(path), message)


def dotted(path: Key) -> str:
    """Return a path as text, such as `settings.web_origins[0]`."""
    text = "".join(f"[{each}]" if isinstance(each, int) else f".{each}" for each in path)
    return text.removeprefix(".")


def texts(value: Any, path: Key = ()) -> Iterator[tuple[Key, str]]:  # noqa: ANN401 - JSON
    """Yield the path of each text in a JSON value, and the text."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from texts(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from texts(each, (*path, number))
    elif isinstance(value, str):
        yield path, value


def _positions(node: Tree[Token] | Token, path: Key) -> Iterator[tuple[Key, int]]:
    if isinstance(node, Token):
        return
    for number, child in enumerate(node.children):
        if node.data == "object":
            assert isinstance(child, Tree)  # noqa: S101 - the grammar has only pairs there
            key, value = child.children
            inner: Key = (*path, json.loads(str(key)))
            line = key.line if isinstance(key, Token) else child.meta.line
        else:
            inner, value = (*path, number), child
            line = child.line if isinstance(child, Token) else child.meta.line
        yield inner, line or 1
        yield from _positions(value, inner)


@cache
def _parser() -> Lark:
    """Return a parser of JSON. `json` has checked the text before, so it may accept more."""
    return Lark(
        r"""
        ?value: object | array | STRING | LITERAL
        object: "{" [pair ("," pair)*] "}"
        pair: STRING ":" value
        array: "[" [value ("," value)*] "]"
        STRING: /"(?:[^"\\]|\\.)*"/
        LITERAL: /[^\s"{}\[\],:]+/
        %ignore /\s+/
        """,
        start="value",
        parser="lalr",
        propagate_positions=True,
        maybe_placeholders=False,
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def _line_of(text: str, word: str) -> int:
    return text[: text.index(word)].count("\n") + 1


def _explained(error: json.JSONDecodeError, text: str) -> str:
    """Return the message of a syntax error with its fix."""
    rest = text[error.pos :].lstrip()
    if text.startswith("\ufeff"):
        return "the file begins with a byte order mark: save it as UTF-8 without one."
    if rest.startswith(("//", "#", "/*")):
        return "JSON has no comments: remove it."
    if not text.strip():
        return "the file is empty."
    if "trailing comma" in error.msg or rest.startswith(("}", "]")):
        return "remove the comma before the closing bracket."
    if rest.startswith(("True", "False", "None")):
        return "write true, false and null in small letters."
    if rest.startswith("'") or rest[:1].isalpha():
        return f"this is not JSON: {error.msg}. Texts and names need double quotes."
    return f"this is not JSON: {error.msg} (column {error.colno})."
