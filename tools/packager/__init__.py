"""Builds one zip for all functions: dependencies, handlers, the library and one set of analyses.

The same input gives the same bytes, wherever and whenever it is built: names are sorted, dates and
modes fixed, and the bytecode beside every source is the kind that Python never checks against a
file's date, so that a cold start compiles nothing. Of the AWS services that boto3 knows, the package
keeps those that are called: see `services`. What must not be deployed does not build: see
`refusals` and `imports`.
"""

from packager.build import build
from packager.errors import PackageError
from packager.manifest import Manifest
from packager.sources import Sources
from packager.targets import ARM64, HOST, X86_64, Target

__all__ = ["ARM64", "HOST", "X86_64", "Manifest", "PackageError", "Sources", "Target", "build"]
