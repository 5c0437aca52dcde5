"""Large blocks of memory go back to the system when they are freed."""

import os
import platform
import subprocess
import sys

import pytest

_FREE = """
import sys
from analysis_jobs.base.malloc import return_large_blocks

MB = 2**20

def resident_mb():
    with open("/proc/self/status") as status:
        [line] = [line for line in status if line.startswith("VmRSS")]
    return int(line.split()[1]) / 1024

if sys.argv[1] == "returned":
    return_large_blocks()
block = b"x" * (20 * MB)
del block  # now glibc's own threshold is higher
before = resident_mb()
blocks, small = [], []
for _ in range(10):
    blocks.append(b"x" * (4 * MB))
    small.append(b"x" * 100_000)  # lies above the block
blocks.clear()
print(resident_mb() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has mallopt")
@pytest.mark.parametrize("kind", ["kept", "returned"])
def test_freed_blocks_are_returned(kind: str) -> None:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    environment = {**variables, "PYTHONPATH": os.pathsep.join(sys.path)}
    run = subprocess.run(
        [sys.executable, "-c", _FREE, kind], capture_output=True, text=True, check=True, env=environment
    )
    left_mb = float(run.stdout)
    assert left_mb < 5 if kind == "returned" else left_mb > 30  # of 40 MB
