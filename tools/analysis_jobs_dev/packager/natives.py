"""Finds native code that Lambda cannot load: of another platform, of another Python, or for another C library."""

import re
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path

from analysis_jobs_dev.packager.gate import Problem
from analysis_jobs_dev.project import RUNTIME

# `e_machine` in the header of an ELF file (https://refspecs.linuxfoundation.org/elf/gabi4+/ch4.eheader.html).
_MACHINES = {62: "x86_64", 183: "arm64", 3: "x86 with 32 bits", 40: "ARM with 32 bits"}
_HEADER = struct.Struct("<4sBB10xHH")
_OTHER_FORMATS = {
    b"\xcf\xfa\xed\xfe": "macOS", b"\xce\xfa\xed\xfe": "macOS", b"\xca\xfe\xba\xbe": "macOS", b"MZ": "Windows",
}  # fmt: skip
_OTHER_SUFFIXES = (".dylib", ".dll", ".exe", ".pyd")
# Amazon Linux 2023, on which Lambda runs Python 3.13, has glibc 2.34.
_GLIBC = 34
_GLIBC_VERSION = re.compile(rb"GLIBC_2\.(\d+)")
_FOR_PYTHON = re.compile(r"\.cpython-(\d)(\d+)t?-")
_FIX = "Build the package for the architecture of `worker.architecture`; a dependency needs a wheel for manylinux"


def natives(package: Path, architecture: str) -> Iterator[Problem]:
    """Yield a problem for each native file in a zip that Lambda cannot load on the architecture, arm64 or x86_64."""
    with zipfile.ZipFile(package) as archive:
        for entry in archive.infolist():
            with archive.open(entry) as file:
                start = file.read(_HEADER.size)
                if start[:4] == b"\x7fELF":
                    message = _elf(entry.filename, start, start + file.read(), architecture)
                else:
                    message = _other(entry.filename, start)
            if message:
                yield Problem("native", entry.filename, None, message, f"{_FIX}.")


def _elf(name: str, start: bytes, content: bytes, architecture: str) -> str:
    _, bits, _, _, machine = _HEADER.unpack(start)
    found = _MACHINES.get(machine, f"machine {machine}") if bits == 2 else "a platform of 32 bits"  # noqa: PLR2004 - ELFCLASS64
    if found != architecture:
        return f"it is compiled for {found}, and the package is for {architecture}"
    tag = _FOR_PYTHON.search(name)
    if tag and f"{tag[1]}.{tag[2]}" != RUNTIME:
        return f"it is compiled for Python {tag[1]}.{tag[2]}, and Lambda runs {RUNTIME}"
    if b"libc.musl-" in content or "-linux-musl" in name:
        return "it needs musl, and Lambda has glibc"
    newest = max(map(int, _GLIBC_VERSION.findall(content)), default=0)
    if newest > _GLIBC:
        return f"it needs glibc 2.{newest}, and Lambda has 2.{_GLIBC}"
    return ""


def _other(name: str, start: bytes) -> str:
    is_code = name.endswith((".so", *_OTHER_SUFFIXES)) or ".so." in name
    system = next((system for magic, system in _OTHER_FORMATS.items() if start.startswith(magic)), None)
    if name.endswith(_OTHER_SUFFIXES) or (is_code and system):
        return f"it is native code for {system or 'another system'}"
    return "" if not is_code or not start else "it is named like native code, and is none"
