"""Tests of the ports that the local cloud's servers get."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from analysis_jobs_dev.cloud import ports
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import REPOSITORY


def ports_of_another_process(count: int, among: range) -> list[int]:
    script = f"from analysis_jobs_dev.cloud import ports; print(*ports.free_ports({count}, {among!r}))"
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY / "tools")}
    run = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    return [int(port) for port in run.stdout.split()]


def test_a_port_is_not_handed_out_again_while_its_process_lives(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    among = range(19_000, 19_006)
    mine = [*ports.free_ports(2, among), *ports.free_ports(1, among)]
    theirs = ports_of_another_process(2, among)
    assert len({*mine, *theirs}) == 5
    assert len(ports_of_another_process(3, among)) == 3, "the other process has ended: its two are free again"
    with pytest.raises(CloudError, match="Only 3 of 4 ports are free from 19000 to 19005"):
        ports.free_ports(4, among)


@pytest.mark.skipif(not Path("/proc/sys/net/ipv4/ip_local_port_range").exists(), reason="only Linux has this file")
def test_no_outgoing_connection_can_take_a_port_before_its_server_listens() -> None:
    first, _ = Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()
    assert ports.CHOICE.stop <= int(first)
