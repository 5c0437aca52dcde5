"""Writes the commit into the wheel and the source distribution. Hatchling runs this hook (see pyproject.toml)."""

import sys
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CommitHook(BuildHookInterface[Any]):
    """Adds the file that `analysis_jobs_dev.places.commit` reads."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file. An editable installation reads the commit from git."""
        if version == "editable":
            return
        sys.path.insert(0, str(Path(self.root) / "tools"))
        from analysis_jobs_dev import places  # noqa: PLC0415 - the folder is on the path only now

        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name) / places.COMMIT_FILE
        file.write_text(f"{places.commit() or ''}\n", encoding="utf-8")
        folder = "analysis_jobs_dev/data/" if self.target_name == "wheel" else ""
        build_data["force_include"][str(file)] = f"{folder}{places.COMMIT_FILE}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Delete the temporary folder."""
        del build_data, artifact_path
        if version != "editable":
            self._folder.cleanup()
