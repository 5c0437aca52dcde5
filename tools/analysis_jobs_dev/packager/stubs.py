"""Finds stubs: stages that do nothing, or return the same for every job, and functions that somebody forgot to write.

One production system ran a stub worker for 45 days: it returned a result, so nobody noticed. A stage counts as a stub
if its body never looks at the job and only does nothing, raises `NotImplementedError`, or returns a constant. Other
functions count only if they raise `NotImplementedError`.
"""

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.gate import Problem

_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
type Function = ast.FunctionDef | ast.AsyncFunctionDef
# Names of classes and functions that stand for something else in tests.
_STANDS_FOR = re.compile(r"_?(Fake|Mock|Stub|Dummy)([A-Z0-9]\w*)?|_?(fake|mock|stub|dummy)_\w+")
_ABSTRACT = {"abstractmethod", "overload"}
_FIX = "Write it, or take it out of the analysis"


def stubs(files: Mapping[str, Path]) -> Iterator[Problem]:
    """Yield a problem for each stub in the sources (name in the zip -> file)."""
    trees = {name: _parsed(name, path) for name, path in files.items() if path.suffix == ".py"}
    stages = {stage for tree in trees.values() for stage in _stages(tree)}
    for name, tree in trees.items():
        abstract = _methods_without_body(tree)
        for node in ast.walk(tree):
            if isinstance(node, (*_FUNCTIONS, ast.ClassDef)) and _STANDS_FOR.fullmatch(node.name):
                yield _problem(
                    name, node, f"{node.name} is by its name not the real thing", "Rename it, or leave it out"
                )
            if isinstance(node, _FUNCTIONS):
                if node.name in stages and (what := _nothing_in(node)):
                    yield _problem(name, node, f"the stage {node.name} {what}", _FIX)
                elif node not in abstract and _raises_not_implemented(_body(node)):
                    yield _problem(name, node, f"{node.name} only raises NotImplementedError", _FIX)


def _problem(file: str, node: ast.stmt, message: str, fix: str) -> Problem:
    return Problem("stub", file, node.lineno, message, f"{fix}.")


def _parsed(name: str, path: Path) -> ast.Module:
    try:
        return ast.parse(path.read_bytes())
    except SyntaxError as error:
        raise PackageError(f"{name} does not compile: {error}") from None


def _stages(tree: ast.Module) -> Iterator[str]:
    """Yield the names of functions that are stages: in `stages=[…]`, in `Stage(…)`, or decorated with `….stage`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "stages":
            yield from (each.id for each in ast.walk(node.value) if isinstance(each, ast.Name))
        if isinstance(node, ast.Call) and _last_name(node.func) == "Stage":
            yield from (each.id for each in node.args[:1] if isinstance(each, ast.Name))
        if isinstance(node, _FUNCTIONS) and any(_last_name(each) == "stage" for each in node.decorator_list):
            yield node.name


def _last_name(node: ast.expr) -> str:
    if isinstance(node, ast.Call):
        return _last_name(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _body(function: Function) -> list[ast.stmt]:
    """Return the statements without the docstring and other texts, and without `...`."""
    return [each for each in function.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]


def _nothing_in(function: Function) -> str:
    """Return what is wrong with the body of a stage; empty if it is no stub."""
    body = [each for each in _body(function) if not isinstance(each, ast.Pass)]
    if not body:
        return "does nothing"
    if _raises_not_implemented(body):
        return "only raises NotImplementedError"
    parameters = {each.arg for each in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)}
    reads = {each.id for each in ast.walk(function) if isinstance(each, ast.Name) and isinstance(each.ctx, ast.Load)}
    if not reads & parameters and all(_is_constant(each) for each in body):
        return "returns the same for every job"
    return ""


def _is_constant(statement: ast.stmt) -> bool:
    """Tell whether a statement gives the same in every job: it assigns, prints or returns constants and new objects."""
    if not isinstance(statement, (ast.AnnAssign, ast.Assign, ast.Expr, ast.Import, ast.ImportFrom, ast.Return)):
        return False
    calls = [each.func for each in ast.walk(statement) if isinstance(each, ast.Call)]
    return all(_makes_or_prints(each) for each in calls)


def _makes_or_prints(called: ast.expr) -> bool:
    """Tell whether a call makes an object of a class, or waits, prints or logs."""
    name = _last_name(called)
    return name[:1].isupper() or name in {"debug", "dict", "info", "list", "log", "print", "set", "sleep", "tuple"}


def _raises_not_implemented(body: list[ast.stmt]) -> bool:
    raised = body[-1].exc if body and isinstance(body[-1], ast.Raise) else None
    return raised is not None and _last_name(raised) == "NotImplementedError" and all(map(_is_constant, body[:-1]))


def _methods_without_body(tree: ast.Module) -> set[ast.AST]:
    """Return the functions that need no body: abstract methods, overloads, and the methods of protocols."""
    found: set[ast.AST] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and any(_last_name(base) in {"ABC", "Protocol"} for base in node.bases):
            found |= {each for each in node.body if isinstance(each, _FUNCTIONS)}
        if isinstance(node, _FUNCTIONS) and any(_last_name(each) in _ABSTRACT for each in node.decorator_list):
            found.add(node)
    return found
