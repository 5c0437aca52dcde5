"""Builds one zip for all functions: the dependencies, the handlers, the library and one set of analyses.

Builds are reproducible: names are sorted, and dates and modes are fixed, so the same input always gives the same bytes.
Every source comes with bytecode that Python does not check against the file's date, so a cold start compiles nothing.
The package contains only the boto3 service descriptions that the code uses (`services`). The build refuses development
code, too large packages and unresolved imports (`refusals`, `imports`).
"""

from analysis_jobs_dev.packager.build import build
from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.packager.manifest import Manifest
from analysis_jobs_dev.packager.sources import Sources
from analysis_jobs_dev.packager.targets import ARM64, HOST, X86_64, Target

__all__ = ["ARM64", "HOST", "X86_64", "Manifest", "PackageError", "Sources", "Target", "build"]
