"""Where Terraform keeps the state of an environment."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from analysis_jobs_dev.environments.model import ConfigError, Environment

__all__ = ["Backend"]

_BLOCK = re.compile(r'^\s*backend\s+"(?P<kind>\w+)"\s*\{(?P<body>.*?)^\s*\}', re.MULTILINE | re.DOTALL)
_EMPTY = re.compile(r'^\s*backend\s+"(?P<kind>\w+)"\s*\{(?P<body>[^\n]*)\}', re.MULTILINE)
_CLOUD = re.compile(r"^\s*cloud\s*\{", re.MULTILINE)


@dataclass(frozen=True)
class Backend:
    """A backend of Terraform. Its block is added to the root, or replaces the one of the root.

    With neither, the root has a block of its own, and `settings` complete it.
    """

    kind: str
    settings: Mapping[str, Any]
    is_added: bool = False
    replaces: bool = False

    @classmethod
    def local(cls, state: Path) -> Self:
        """Return a state in a file."""
        return cls("local", {"path": str(state)}, replaces=True)

    @classmethod
    def in_s3(cls, environment: Environment, bucket: str | None) -> Self:
        """Return the environment's state in S3. `bucket` is used if the configuration names none.

        Raises `ConfigError` if nobody names the bucket.
        """
        state = environment.state
        wanted = {"bucket": state.bucket or bucket, "key": state.key, "region": environment.region}
        kind, body = own_block(environment.root) if environment.has_own_root else ("", "")
        if kind not in {"", "s3"}:
            return cls(kind, {})
        written = set(re.findall(r"^\s*(\w+)\s*=", body.replace(";", "\n"), re.MULTILINE))
        if kind == "s3":
            # The configuration wins over the block, and the block over the defaults.
            explicit = {"bucket": state.bucket is not None, "key": state.has_key}
            wanted = {name: value for name, value in wanted.items() if name not in written or explicit.get(name)}
        if "bucket" in wanted and not wanted["bucket"]:
            raise ConfigError(
                f"Nothing names the bucket of Terraform's state: set the environment variable TF_STATE_BUCKET, or "
                f"state.bucket in {environment.file}."
            )
        if kind == "s3":
            return cls(kind, wanted)
        return cls("s3", {**wanted, "encrypt": True, "use_lockfile": True}, is_added=True)


def own_block(root: Path) -> tuple[str, str]:
    """Return the type and the body of the root's own backend block; empty texts without one."""
    for path in sorted(root.glob("*.tf")):
        text = path.read_text("utf-8")
        if found := _EMPTY.search(text) or _BLOCK.search(text):
            return found["kind"], found["body"]
        if _CLOUD.search(text):
            return "cloud", ""
    return "", ""
