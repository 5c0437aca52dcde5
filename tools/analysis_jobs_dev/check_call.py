"""Finds misspelt settings in calls of this project's Terraform modules.

    python -m analysis_jobs_dev.check_call infra

Terraform refuses an unknown argument of a module. It silently drops an unknown attribute of an object, so that
`worker = { timeout_sec = 900 }` plans with the default timeout. `check` compares the attributes that are written in a
call with the types of the module's variables. It follows `local` values, `merge`, conditions and `for` expressions.
What comes from a file or from a variable of the root cannot be checked.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from hcl2.rules.containers import ObjectRule, TupleRule
from hcl2.rules.expressions import ConditionalRule
from hcl2.rules.for_expressions import ForObjectExprRule, ForTupleExprRule
from hcl2.rules.functions import FunctionCallRule
from hcl2.rules.indexing import GetAttrExprTermRule
from lark.exceptions import LarkError

from analysis_jobs_dev import places
from analysis_jobs_dev.module_interface import Block, Type, blocks, function_name, key_text, read_variables, unwrap

if TYPE_CHECKING:
    from hcl2.rules.abstract import LarkRule

__all__ = ["Finding", "check", "main"]

# What every module call may have, whatever its variables are.
_META_ARGUMENTS = {"count", "depends_on", "for_each", "providers", "source", "version"}
# Functions that return one of their arguments, or all of them together.
_TRANSPARENT = {"coalesce", "merge", "try"}
_PUBLISHED = re.compile(r"analysis-jobs(?:/aws)?(?:\.git)?(?://(?:[\w./-]*/)?modules/([\w-]+))?(?:\?.*)?$")


@dataclass(frozen=True)
class Finding:
    """A setting that the module does not have. `line` counts from 1.

    With `is_certain` False it is a file that cannot be read: Terraform may understand it.
    """

    file: Path
    line: int
    message: str
    is_certain: bool = True

    def __str__(self) -> str:
        """Return `FILE:LINE: MESSAGE`."""
        return f"{self.file}:{self.line}: {self.message}"


def check(folder: Path, modules: Path | None = None) -> list[Finding]:
    """Return what is wrong in the module calls of the Terraform root in `folder`, ordered by file and line.

    `modules` is the folder of this project's modules, for calls by a URL or from a registry. Calls of modules that are
    in neither place are not checked.
    """
    files = {path: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.tf"))}
    findings: set[Finding] = set()
    parsed: dict[Path, list[Block]] = {}
    for path, text in files.items():
        try:
            parsed[path] = list(blocks(text))
        except LarkError as error:
            line = getattr(error, "line", 1)
            message = "this is not valid HCL, so its module calls are not checked"
            findings.add(Finding(path, line, message, is_certain=False))
    values = {
        name: (path, attribute.expression)
        for path, found in parsed.items()
        for block in found
        if block.kind == "locals"
        for name, attribute in block.attributes.items()
    }
    for path, found in parsed.items():
        for block in found:
            if block.kind == "module" and (source := _source(block, folder, modules or places.modules())):
                findings.update(_Call(source.name, values).findings(path, block, _interface(source)))
    return sorted(findings, key=lambda finding: (finding.file, finding.line, finding.message))


def _source(block: Block, folder: Path, modules: Path) -> Path | None:
    """Return the folder of the called module, None if it is neither a local one nor one of this project."""
    if "source" not in block.attributes:
        return None
    source = str(block.attributes["source"].expression.serialize()).strip('"')
    if source.startswith(("./", "../")):
        found = (folder / source).resolve()
    elif published := _PUBLISHED.search(source):
        found = modules / (published[1] or "analysis-jobs")
    else:
        return None
    return found if found.is_dir() else None


@lru_cache
def _interface(module: Path) -> Mapping[str, Type]:
    try:
        return read_variables(module)
    except LarkError:
        return {}


@dataclass(frozen=True)
class _Call:
    """One call of the module with this name. `locals` are the file and the expression of each local value."""

    module: str
    locals: Mapping[str, tuple[Path, object]]

    def findings(self, file: Path, block: Block, variables: Mapping[str, Type]) -> Iterator[Finding]:
        """Yield what is wrong in the arguments of a module call."""
        if not variables:
            return
        for name, attribute in block.attributes.items():
            if name in variables:
                yield from self._compare(file, attribute.expression, variables[name], name)
            elif name not in _META_ARGUMENTS:
                yield self._unknown(file, attribute, name, "", variables)

    def _compare(
        self, file: Path, expression: object, wanted: Type, path: str, seen: frozenset[str] = frozenset()
    ) -> Iterator[Finding]:
        """Yield the attributes in an expression that its type does not have. `path` is where the expression belongs."""
        value = unwrap(expression)
        if wanted == Type():
            return
        if isinstance(value, ObjectRule):
            yield from self._compare_object(file, value, wanted, path, seen)
        if isinstance(value, GetAttrExprTermRule):
            name = str(value.serialize()).removeprefix("${").removesuffix("}")
            if name not in seen and (known := self.locals.get(name.removeprefix("local."))):
                yield from self._compare(*known, wanted, path, seen | {name})
        for branch in _branches(value):
            yield from self._compare(file, branch, wanted, path, seen)
        if wanted.elements:
            for element in _elements(value):
                yield from self._compare(file, element, wanted.elements, f"{path}[…]", seen)

    def _compare_object(
        self, file: Path, value: ObjectRule, wanted: Type, path: str, seen: frozenset[str]
    ) -> Iterator[Finding]:
        for element in value.elements:
            key = key_text(element.key)
            if wanted.attributes is None:
                if wanted.elements:
                    yield from self._compare(file, element.expression, wanted.elements, f"{path}.{key or '…'}", seen)
            elif key is None:
                continue
            elif key in wanted.attributes:
                yield from self._compare(file, element.expression, wanted.attributes[key], f"{path}.{key}", seen)
            else:
                yield self._unknown(file, element, f"{path}.{key}", f"{path}.", wanted.attributes)

    def _unknown(self, file: Path, node: LarkRule, name: str, prefix: str, known: Mapping[str, object]) -> Finding:
        near = difflib.get_close_matches(name.removeprefix(prefix), known, 1, 0.6)
        fix = f"did you mean {prefix}{near[0]}?" if near else f"it has {', '.join(sorted(known))}"
        why = "Terraform ignores it silently" if prefix else "Terraform refuses it"
        line = getattr(node.to_lark().meta, "line", 1)
        return Finding(file, line, f"the module {self.module} has no setting {name}, and {why}: {fix}")


def _branches(value: object) -> Iterable[object]:
    """Return the expressions that may be the value of this one, or a part of it with the same type."""
    match value:
        case ConditionalRule():
            return (value.if_true, value.if_false)
        case FunctionCallRule() if function_name(value) in _TRANSPARENT and value.arguments:
            return value.arguments.arguments
    return ()


def _elements(value: object) -> Iterable[object]:
    """Return the expressions of the elements of a list or a map."""
    match value:
        case TupleRule():
            return value.elements
        case ForObjectExprRule() | ForTupleExprRule():
            return (value.value_expr,)
    return ()


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is wrong in the given Terraform roots; return 1 if there is anything, and 0 otherwise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="+", type=Path, help="folders with .tf files")
    findings = [finding for folder in parser.parse_args(arguments).folders for finding in check(folder)]
    for finding in findings:
        print(finding, file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
