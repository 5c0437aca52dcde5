"""Tests imports in a bare interpreter: `import_probe.py TREE`, with a JSON object on standard input.

The object has `modules` to import, and `imports` and `library_imports` ([file, module, name or ""]) to resolve.
`extras` are the extras in the package. An import of the library may fail if it needs another extra. Every other failure
is printed on a line, and the exit status is 1.
"""

import importlib
import importlib.util
import json
import sys


def problem_of_import(module: str, extras: list[str] | None = None) -> str | None:
    """Import `module`. Return the problem, or None. With `extras`, a missing other extra is not a problem."""
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a module may raise any error while it is imported
        if extras is not None and getattr(error, "extra", None) not in {None, *extras}:
            return None
        return f"{type(error).__name__}: {error}"
    return None


def problem_of_name(module: str, name: str, extras: list[str] | None = None) -> str | None:
    """Resolve `from module import name`. Return the problem, or None."""
    problem = problem_of_import(module, extras)
    # Not imported, but no problem: the module needs another extra.
    if problem or not name or module not in sys.modules or hasattr(sys.modules[module], name):
        return problem
    return problem_of_import(f"{module}.{name}", extras)


def main() -> int:
    """Test all imports, so that one build shows every problem. Return the exit status."""
    sys.path.insert(0, sys.argv[1])
    wanted = json.load(sys.stdin)
    places: dict[str, list[str]] = {}
    for module in wanted["modules"]:
        if problem := problem_of_import(module):
            places.setdefault(problem, []).append(module)
    resolved = [(*each, None) for each in wanted["imports"]]
    resolved += [(*each, wanted["extras"]) for each in wanted["library_imports"]]
    for file, module, name, extras in resolved:
        if problem := problem_of_name(module, name, extras):
            places.setdefault(problem, []).append(f"{file}: {module}.{name}".rstrip("."))
    # One missing module breaks every module that imports it: report it once.
    lines = [
        f"  {first}: {problem}" + (f" (and in {len(others)} more places)" if others else "")
        for problem, (first, *others) in places.items()
    ]
    print("\n".join(lines))
    return 1 if lines else 0


if __name__ == "__main__":
    sys.exit(main())
