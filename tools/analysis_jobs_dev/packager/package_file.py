"""Reads `package.toml`. This file beside the analyses names what only their package contains."""

import tomllib
from pathlib import Path

from analysis_jobs_dev.packager.errors import PackageError

NAME = "package.toml"
# The allowed keys, with an example of a name.
KEYS = {"aws_services": "rekognition", "extras": "ocr"}


def names(analyses: Path, key: str) -> list[str]:
    """Return the names under `key` in the folder's `package.toml`, sorted and without duplicates. Without the file: [].

    Raises `PackageError` for another key than `KEYS`, and for a value that is not a list of names.
    """
    path = analyses / NAME
    if not path.is_file():
        return []
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackageError(f"{path} is not TOML: {error}") from None
    if unknown := sorted(content.keys() - KEYS.keys()):
        raise PackageError(f"{path} has unknown keys: {', '.join(unknown)}. Allowed keys: {', '.join(KEYS)}.")
    found = content.get(key, [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise PackageError(f'{path}: give {key} as a list of names, such as ["{KEYS[key]}"].')
    return sorted(set(found))
