"""The files of the project under test: its prompts, documents and SQL schema."""

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from analysis_jobs.prompts import Prompt

_TABLE = "analysis-jobs"  # of `[tool]` in pyproject.toml
_SCHEMA = "schema.sql"


@dataclass(frozen=True)
class ProjectFiles:
    """The folders in which a test looks for files: that of the test, and that of the project around it."""

    beside_the_test: Path
    root: Path
    prompts_folder: str = "prompts"
    documents_folder: str = "documents"

    @classmethod
    def around(cls, test_folder: Path) -> Self:
        """Return the files of the project that contains a folder.

        The project is the next folder upwards with a `pyproject.toml`; without one it is the folder itself. The table
        `[tool.analysis-jobs]` may name other folders than `prompts` and `documents`.
        """
        around = (test_folder, *test_folder.parents)
        root = next((folder for folder in around if (folder / "pyproject.toml").is_file()), test_folder)
        table = _table(root / "pyproject.toml")
        folders = {f"{name}_folder": str(table[name]) for name in ("prompts", "documents") if name in table}
        return cls(test_folder, root, **folders)

    def find(self, name: str | Path) -> Path:
        """Return a file by its path from the test's folder, the project's folder, or its folder of documents.

        Raises `FileNotFoundError`, which names these folders.
        """
        folders = (self.beside_the_test, self.root, self.root / self.documents_folder)
        for folder in folders:
            if (folder / name).is_file():
                return folder / name
        tried = ", ".join(str(folder) for folder in dict.fromkeys(folders))
        raise FileNotFoundError(f"there is no file {name} in {tried}")

    def prompts(self) -> list[Prompt]:
        """Return the active prompts of the project's folder. Raises `ConfigurationError` for an invalid file."""
        found = [Prompt.load(path) for path in sorted((self.root / self.prompts_folder).glob("*.toml"))]
        return sorted((prompt for prompt in found if prompt.is_active), key=lambda prompt: prompt.version)

    def schema(self) -> str:
        """Return the project's `schema.sql`. It is empty if there is none."""
        path = self.root / _SCHEMA
        return path.read_text(encoding="utf-8") if path.is_file() else ""


def _table(pyproject: Path) -> dict[str, Any]:
    content = tomllib.loads(pyproject.read_text(encoding="utf-8")) if pyproject.is_file() else {}
    table: dict[str, Any] = content.get("tool", {}).get(_TABLE, {})
    return table
