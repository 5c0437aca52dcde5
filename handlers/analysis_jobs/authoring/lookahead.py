"""Counts the places in the code of an analysis that ask a model.

The prompt cache needs to know with the first question whether another one may follow (decision 18). The code of the
stages says so.
"""

import dis
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from types import CodeType, FunctionType
from typing import Any

_ASK = "ask"
_MAX_DEPTH = 4  # functions called by functions


def asking_places(stages: Sequence[Callable[..., Any]]) -> Mapping[str, int]:
    """Return for each stage how many places ask: in its own code, and in functions of the analysis that it names.

    It reads the bytecode and runs nothing. A loop is one place. A place that it cannot see counts as none.
    """
    return _asking_places(tuple(stages))


@cache
def _asking_places(stages: tuple[Callable[..., Any], ...]) -> Mapping[str, int]:
    # A stage names other stages in `job.output(stage)`, and does not call them.
    codes = {code for stage in stages if (code := getattr(inspect.unwrap(stage), "__code__", None))}
    return {
        stage.__name__: _count(function, codes - {getattr(function, "__code__", None)}, _MAX_DEPTH)
        for stage in stages
        for function in [inspect.unwrap(stage)]
    }


def _count(function: object, seen: set[CodeType], depth: int) -> int:
    if not isinstance(function, FunctionType) or depth == 0:
        return 0
    places = 0
    for code in _codes(function.__code__):
        if code in seen:
            continue
        seen.add(code)
        for instruction in dis.get_instructions(code):
            name = instruction.argval
            if instruction.opname in {"LOAD_ATTR", "LOAD_METHOD"} and name == _ASK:
                places += 1
            elif instruction.opname in {"LOAD_GLOBAL", "LOAD_NAME"} and isinstance(name, str):
                places += _count(function.__globals__.get(name), seen, depth - 1)
    return places


def _codes(code: CodeType) -> Iterator[CodeType]:
    """Yield a function's code, and that of the functions and lambdas within it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _codes(constant)
