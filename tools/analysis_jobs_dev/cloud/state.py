"""The state that a folder keeps of its local cloud between two starts, and whether a start can reuse it."""

import dataclasses
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud import ministack, ports
from analysis_jobs_dev.cloud.errors import CloudError

# The files that change a plan; tests and pages do not.
CONFIGURATION_SUFFIXES = {".tf", ".tftpl", ".json"}
TERRAFORM_STATE = "terraform.tfstate"
KEPT = "kept.json"
# A fresh start keeps these: they do not depend on the stack.
LASTING = {"lock", "certificates", "stand-in", KEPT}


@dataclasses.dataclass(frozen=True)
class Kept:
    """The settings of the kept cloud, its last apply, and the outputs of that.

    `applied` is the fingerprint of the last complete apply, empty if there was none. The ports are part of URLs in
    functions, queues and tokens, so a kept stack keeps its ports.
    """

    ministack: str
    region: str
    cloud_port: int
    stand_in_port: int
    database_port: int = 0  # 0 if no example has a database
    applied: str = ""
    outputs: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def ports(self) -> list[int]:
        """The ports of the cloud."""
        return [port for port in (self.cloud_port, self.stand_in_port, self.database_port) if port]

    def save(self, folder: Path) -> None:
        """Write the file atomically."""
        fresh = folder / "kept.json.new"
        fresh.write_text(json.dumps(dataclasses.asdict(self), indent=2) + "\n", encoding="utf-8")
        fresh.replace(folder / KEPT)


def load(folder: Path, ministack_version: str, region: str = ministack.REGION) -> tuple[Kept | None, str]:
    """Return the state that a start can reuse, or None and the reason."""
    kept = read(folder)
    if kept is None:
        return None, "there is no kept state, or none that this version can read"
    reason = _unusable(kept, folder, ministack_version, region)
    return (None, reason) if reason else (kept, "")


def afresh(folder: Path, ministack_version: str, region: str = ministack.REGION) -> Kept:
    """Empty the folder for a new cloud. It gets the ports of the last one if they are free."""
    last = read(folder)
    cloud, stand_in, database = (last.cloud_port, last.stand_in_port, last.database_port) if last else (0, 0, 0)
    if not last or not all(map(ports.is_free, last.ports)):
        [cloud, stand_in], database = ports.free_ports(2), 0
    for path in folder.iterdir():
        if path.name not in LASTING:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    kept = Kept(ministack_version, region, cloud, stand_in, database)
    kept.save(folder)
    return kept


def read(folder: Path) -> Kept | None:
    """Return the folder's state, reusable or not; None if there is none that can be read."""
    try:
        return Kept(**json.loads((folder / KEPT).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def _unusable(kept: Kept, folder: Path, ministack_version: str, region: str) -> str:
    if kept.ministack != ministack_version:
        return f"MiniStack is {ministack_version} now; the kept state is of {kept.ministack}"
    if kept.region != region:
        return f"the Region is {region} now; the kept state is of {kept.region}"
    if not (folder / TERRAFORM_STATE).exists():
        return "nothing was applied"
    if not ministack.saved(folder):
        return "MiniStack was killed before it could save its state"
    for port in kept.ports:
        if not ports.is_free(port):
            return f"port {port} of the kept stack is taken by another program"
    return ""


def fingerprint(folders: Iterable[Path], variables: Mapping[str, object]) -> str:
    """Return a hash of everything that an apply depends on: Terraform files and variables."""
    digest = hashlib.sha256(json.dumps(variables, sort_keys=True).encode())
    for path in sorted(_configuration(folders)):
        digest.update(f"\0{path}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _configuration(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        for path in folder.rglob("*"):
            if path.suffix in CONFIGURATION_SUFFIXES and "tests" not in path.parts:
                yield path


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock the folder for this process. Raises CloudError if another process holds the lock."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise CloudError(
                f"A local cloud already runs on {folder} (process {holder(folder)}). "
                "Use it, or stop it first with Ctrl-C in its terminal."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def holder(folder: Path) -> int | None:
    """Return the process that holds the lock of the folder, None if there is none."""
    try:
        with (folder / "lock").open("r", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read() or 0) or None
    except FileNotFoundError:
        pass
    return None
