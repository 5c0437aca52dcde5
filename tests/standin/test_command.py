"""`python -m analysis_jobs_dev.cloud.stand_in`, as a person starts it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from analysis_jobs_dev.cloud.stand_in import Remote

REPOSITORY = Path(__file__).parents[2]


def test_it_prints_its_url_and_ready_and_ends_when_told(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "analysis_jobs_dev.cloud.stand_in", "--key-file", str(tmp_path / "key.pem")]
    environment = {**os.environ, "PYTHONPATH": f"{REPOSITORY / 'tools'}{os.pathsep}{REPOSITORY / 'handlers'}"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url, ready = process.stdout.readline().strip(), process.stdout.readline().strip()
        remote = Remote(url)
        assert (ready, remote.calls()) == ("ready", [])
        assert remote.token("acme").count(".") == 2
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
    assert (tmp_path / "key.pem").exists()
