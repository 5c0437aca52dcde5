"""Finds what developers leave in a project: secrets in files, debuggers, and files that must not be deployed."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath
from threading import Lock
from typing import TYPE_CHECKING

from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class
from detect_secrets.core.scan import scan_line
from detect_secrets.settings import transient_settings

from analysis_jobs_dev.packager.gate import Problem

if TYPE_CHECKING:
    from detect_secrets.core.potential_secret import PotentialSecret

# Random text is no secret by itself: hashes, ids and pictures look like it. Addresses are none either.
_NOT_USED = ("Base64HighEntropyString", "HexHighEntropyString", "IPPublicDetector")
# Keys of model vendors that the library does not know yet.
_MORE = {
    "Anthropic API key": re.compile(r"sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{20,}"),
    "Google API key": re.compile(r"AIza[0-9A-Za-z_-]{35}"),
    "Hugging Face token": re.compile(r"hf_[A-Za-z0-9]{30,}"),
}
# What names a secret, and is none: an ARN, a path of a parameter, a placeholder, the name of a variable.
_NAMES_A_SECRET = re.compile(r"^(arn:.*|/[\w./-]+|[A-Z][A-Z0-9_]*|<.*>|\{.*\}|\$.*|…|\.\.\.|[x*]+)$")
_MAX_BYTES = 1_000_000
# The library has one set of settings in a process, and packages are built in threads.
_SCANNING = Lock()
_MUST_NOT_SHIP = (
    ".env", ".env.*", ".netrc", ".npmrc", ".pypirc", "credentials", "credentials.csv", "id_rsa*", "id_ed25519*",
    "*.p12", "*.pfx", "*.jks", "*.keystore", "*.kdbx", "*.tfstate", "*.tfstate.*", "*.tfvars", "*.tfvars.json",
    "*.ipynb", ".DS_Store", "Thumbs.db", "*.orig", "*.rej", "*.swp", "core.[0-9]*",
)  # fmt: skip
_FOLDERS = {".git", ".terraform", ".venv", "node_modules", ".ipynb_checkpoints", ".aws", ".ssh"}
_DEBUGGERS = {"breakpoint", "set_trace", "post_mortem"}


def leftovers(files: Mapping[str, Path]) -> Iterator[Problem]:
    """Yield a problem for each leftover in the project's files (name in the zip -> file)."""
    for name, path in files.items():
        yield from _file(name)
        yield from secrets(name, path)
        if path.suffix == ".py":
            yield from _debuggers(name, path)


def _file(name: str) -> Iterator[Problem]:
    path = PurePosixPath(name)
    if any(fnmatch(path.name, pattern) for pattern in _MUST_NOT_SHIP) or _FOLDERS & set(path.parts):
        yield Problem("file", name, None, "such a file does not belong into a package", "Leave it out of `data`.")


def secrets(name: str, path: Path) -> Iterator[Problem]:
    """Yield a problem for each line of a text file that looks like a secret."""
    content = path.read_bytes()
    if len(content) > _MAX_BYTES or b"\0" in content:
        return
    text = content.decode("utf-8", errors="replace")
    for number, found in enumerate(kinds_of_secrets(text.splitlines()), 1):
        if found:
            yield Problem(
                "secret",
                name,
                number,
                f"this looks like a secret ({', '.join(sorted(found))}), and everybody who can read the package can "
                "read it",
                "Put it into Secrets Manager and pass its ARN with `worker.secrets`; if it was ever committed, "
                "replace it.",
            )


def kinds_of_secrets(lines: Iterable[str]) -> list[set[str]]:
    """Return the kinds of secrets that each line looks like, such as `AWS Access Key`."""
    with _SCANNING:
        classes: Iterable[type] = get_mapping_from_secret_type_to_class().values()
        plugins = [each.__name__ for each in classes]
        with transient_settings({"plugins_used": [{"name": each} for each in plugins if each not in _NOT_USED]}):
            return [{kind for kind, pattern in _MORE.items() if pattern.search(line)} | _kinds(line) for line in lines]


def _kinds(line: str) -> set[str]:
    """Return the kinds of secrets that the library finds in a line."""
    found: Iterable[PotentialSecret] = scan_line(line)
    by_name = "Secret Keyword"  # the name of the variable says so, and not the value
    return {each.type for each in found if each.type != by_name or not _NAMES_A_SECRET.match(each.secret_value or "")}


def _debuggers(name: str, path: Path) -> Iterator[Problem]:
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Call):
            called = node.func
            text = (
                called.id if isinstance(called, ast.Name) else called.attr if isinstance(called, ast.Attribute) else ""
            )
            if text in _DEBUGGERS:
                yield Problem("development", name, node.lineno, f"{text}() waits for a debugger", "Remove the call.")
