"""What `package.toml` beside the analyses says: the names of what their package carries beside what all carry."""

import tomllib
from pathlib import Path

from packager.errors import PackageError

NAME = "package.toml"
# What it may say, and how that looks.
KEYS = {"aws_services": "rekognition", "extras": "ocr"}


def names(analyses: Path, key: str) -> list[str]:
    """Return the names at `key` in the folder's `package.toml`, sorted, each once: without the file, none.

    Raises PackageError for a file that says anything else than `KEYS`, each a list of names.
    """
    path = analyses / NAME
    if not path.is_file():
        return []
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PackageError(f"{path} is not TOML: {error}") from None
    if unknown := sorted(said.keys() - KEYS.keys()):
        raise PackageError(
            f"{path} may say {' and '.join(f'`{each}`' for each in KEYS)}, and says {', '.join(unknown)}."
        )
    found = said.get(key, [])
    if not isinstance(found, list) or not all(isinstance(name, str) for name in found):
        raise PackageError(f'{path}: give {key} as a list of names, as ["{KEYS[key]}"].')
    return sorted(set(found))
