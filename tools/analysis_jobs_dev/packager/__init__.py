"""Builds one zip for all functions of a project: its dependencies, the handlers, the library, its code and its data.

Builds are reproducible: names are sorted, and dates and modes are fixed, so the same input always gives the same bytes.
Every source comes with bytecode that Python does not check against the file's date, so a cold start compiles nothing.
The package contains only the boto3 service descriptions that the code uses (`services`). The build refuses development
code, too large packages, unresolved imports and versions that contradict each other (`refusals`, `imports`, `locks`).
A manifest beside the zip says what it contains and declares (`manifest`).
"""

from analysis_jobs_dev.packager.build import build
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.manifest import Manifest
from analysis_jobs_dev.packager.sources import Library, Sources
from analysis_jobs_dev.packager.targets import ARM64, HOST, X86_64, Target

__all__ = ["ARM64", "HOST", "X86_64", "Library", "Manifest", "PackageError", "Sources", "Target", "build"]
