"""MiniStack, the emulator of AWS: its process, and its state on disk.

It has a virtual environment of its own, because it pins botocore; see emulator_environment.py and serve.py.
"""

import json
import os
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path

import requests

from analysis_jobs.testing.processes import Child
from analysis_jobs_dev.cloud.certificates import Certificates
from analysis_jobs_dev.cloud.emulator.enforcement import VARIABLE as RIGHTS_VARIABLE
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ports import LOOPBACK

REGION = "eu-west-1"
# MiniStack's credentials of the account's root. It signs its own requests with them.
ROOT_CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
START_TIMEOUT_S = 60.0
STOP_GRACE_S = 20.0
POLL_S = 0.05
SERVE = Path(__file__).with_name("serve.py")


def version(python: Path) -> str:
    """Return the version of MiniStack in this Python. Raises CloudError if it has none."""
    script = "import importlib.metadata as m; print(m.version('ministack'))"
    found = subprocess.run([python, "-I", "-c", script], capture_output=True, text=True, check=False)
    if found.returncode:
        raise CloudError(f"{python} has no MiniStack: {found.stderr.strip().splitlines()[-1]}")
    return found.stdout.strip()


class MiniStack:
    """One MiniStack on 127.0.0.1, with its state in `folder`.

    `functions` are environment variables of all functions. The variables of a function's own configuration win.
    `rights` is a file in which it records the IAM rights that requests needed (see `emulator.enforcement`).
    """

    def __init__(  # noqa: PLR0913 - the interpreter, and what it serves
        self,
        python: Path,
        folder: Path,
        certificates: Certificates,
        port: int,
        *,
        region: str = REGION,
        functions: Mapping[str, str] | None = None,
        rights: Path | None = None,
    ) -> None:
        self.url = f"https://{LOOPBACK}:{port}"
        self.log = folder / "ministack.log"
        self._python = python
        self._folder = folder
        self._certificates = certificates
        self._port = port
        self._region = region
        self._functions = functions or {}
        self._rights = rights
        self._child: Child | None = None

    @property
    def running(self) -> bool:
        """Whether its process is alive."""
        return self._child is not None and self._child.exit_code is None

    def start(self) -> None:
        """Start it, and wait until it answers over TLS. Raises CloudError with the end of its log."""
        trusted = self._certificates
        self._clear()
        for name in ("state", "objects", "tmp"):
            (self._folder / name).mkdir(parents=True, exist_ok=True)
        rewind_streams(self._folder / "state" / "lambda.json")
        self._child = Child(
            [self._python, "-I", SERVE, f"{LOOPBACK}:{self._port}", trusted.chain, trusted.key],
            environment=self._environment(),
            exit_code_file=_exit_code_file(self._folder),
            grace_s=STOP_GRACE_S,
            log=self.log,
            folder=self._folder,
        )
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if not self.running or time.monotonic() > deadline:
                self.stop()
                raise CloudError(f"MiniStack did not start.\n{self.last_words()}")
            time.sleep(POLL_S)
        # It has read them. A file that the next start finds was written by the next stop.
        for read in (self._folder / "state").glob("*.json"):
            read.unlink()

    def stop(self) -> None:
        """Stop it; return when its state is on disk."""
        if self._child:
            self._child.stop()
            self._clear()

    def last_words(self, lines: int = 15) -> str:
        """Return the end of its log, and the log's path."""
        text = self.log.read_text("utf-8", "replace") if self.log.exists() else ""
        return "\n".join([*text.splitlines()[-lines:], f"(the whole log: {self.log})"])

    def _clear(self) -> None:
        """Remove the unpacked functions, 90 MB an execution environment: MiniStack leaves them behind."""
        shutil.rmtree(self._folder / "tmp", ignore_errors=True)

    def _answers(self) -> bool:
        try:
            with requests.Session() as session:
                session.trust_env = False
                session.verify = str(self._certificates.bundle)
                return session.get(f"{self.url}/_ministack/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _environment(self) -> Mapping[str, str]:
        """Return the whole environment; nothing of this process is in it, because the functions inherit it.

        AWS_CA_BUNDLE is here for the functions. MiniStack adds AWS_ENDPOINT_URL to them itself, so the stack needs no
        variable that says where it runs.
        """
        return {
            **self._functions,
            **ROOT_CREDENTIALS,
            **({RIGHTS_VARIABLE: str(self._rights)} if self._rights else {}),
            "PATH": os.defpath,
            "HOME": str(self._folder),
            "TMPDIR": str(self._folder / "tmp"),
            "LANG": "C.UTF-8",
            "AWS_CA_BUNDLE": str(self._certificates.bundle),
            "AUTH": "true",
            "GATEWAY_PORT": str(self._port),
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self._certificates.chain),
            "MINISTACK_SSL_KEY": str(self._certificates.key),
            "MINISTACK_REGION": self._region,
            "LAMBDA_EXECUTOR": "local",
            "PERSIST_STATE": "1",
            "STATE_DIR": str(self._folder / "state"),
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(self._folder / "objects"),
            # Both would listen on every interface of the machine.
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }


def saved(folder: Path) -> bool:
    """Return whether the last MiniStack on the folder stopped cleanly, and so saved its state."""
    code = _exit_code_file(folder)
    return code.exists() and code.read_text("utf-8").strip() == "0"


def rewind_streams(state: Path) -> None:
    """Reset the positions of the stream readers in the saved state of MiniStack's Lambda.

    MiniStack saves the positions but not the streams. At its start the streams are empty, and readers with their old
    positions would miss as many changes as they had read before.
    """
    if state.exists():
        saved_state = json.loads(state.read_text("utf-8"))
        saved_state["payload"].pop("dynamodb_stream_positions", None)
        state.write_text(json.dumps(saved_state), "utf-8")


def _exit_code_file(folder: Path) -> Path:
    return folder / "ministack.exit"
