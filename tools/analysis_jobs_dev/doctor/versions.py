"""Checks that the package, its library, this tool and the deployed code fit each other."""

from collections.abc import Iterator

from analysis_jobs_dev import places
from analysis_jobs_dev.doctor.findings import Finding, ok, problem, unknown, warning
from analysis_jobs_dev.doctor.subject import Subject

VERSIONS = "versions"


def versions(subject: Subject) -> Iterator[Finding]:
    """Compare the versions of the package's library, of this tool, and of the code that is live."""
    yield from _package(subject)
    live = {short: function.variables.get("CODE_VERSION") for short, function in subject.functions.items()}
    # The events function loads no analyses, and its environment has no version of them.
    known = {short: version for short, version in live.items() if version}
    if len(set(known.values())) > 1:
        yield problem(
            VERSIONS,
            f"the functions run different versions: {', '.join(map(' '.join, known.items()))}",
            "deploy again, or run `rollback`: an API and a worker of different versions can disagree about inputs",
        )
    elif known:
        yield ok(VERSIONS, f"live is {next(iter(known.values()))}")


def _package(subject: Subject) -> Iterator[Finding]:
    if subject.manifest is None:
        yield unknown(VERSIONS, "there is no package", "build it with `analysis-jobs package`")
        return
    library, tool = subject.manifest["library"]["version"], places.version()
    if _line(library) != _line(tool):
        yield problem(
            VERSIONS,
            f"the package contains analysis-jobs {library}, and this tool and its module are {tool}",
            "build the package again with this version, or install the tool of the package's version",
        )
    elif library != tool:
        yield warning(
            VERSIONS, f"the package contains analysis-jobs {library}, and this tool is {tool}", "build it again"
        )
    else:
        yield ok(VERSIONS, f"the package and the tool are {tool}")


def _line(version: str) -> str:
    """Return a version without its last number: releases with the same line fit each other."""
    return ".".join(version.split(".")[:2])
