"""Selects the AWS services that a package can call.

boto3 describes about 400 services, in more bytes than all other code. A package contains only the descriptions of the
services that the library calls, and of those in `aws_services` of the project. The build searches the sources for calls
such as `boto3.client("rekognition")`, so that a missing service fails here and not in production.
"""

import ast
import importlib.util
import zipfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path, PurePosixPath

from analysis_jobs_dev.packager.errors import PackageError
from analysis_jobs_dev.project import Project

# The services that the library calls, and `sts`, which boto3 needs to assume a role.
OF_EVERY_PACKAGE = frozenset(
    {
        *("bedrock-runtime", "dynamodb", "events", "logs", "s3", "secretsmanager"),
        *("sns", "sqs", "ssm", "sts", "textract"),
    }
)
_DATA = ("botocore/data", "boto3/data")
_CALLS = {"client", "resource", "create_client"}


def require_known(project: Project) -> None:
    """Raise `PackageError` if `aws_services` of a project names a service that boto3 does not know."""
    for service in project.aws_services:
        if service not in known():
            raise PackageError(
                f"{project.file}: aws_services names {service}, which boto3 does not know{_nearest(service)}."
            )


@cache
def known() -> frozenset[str]:
    """Return the services that the botocore of this Python describes. The packages contain the same version."""
    spec = importlib.util.find_spec("botocore")
    if not spec or not spec.origin:
        raise PackageError(
            "This Python lacks botocore, which has the names of the services: install analysis-jobs[dev]."
        )
    return frozenset(path.name for path in Path(spec.origin).with_name("data").iterdir() if path.is_dir())


def is_unused(inside: PurePosixPath, services: frozenset[str]) -> bool:
    """Tell whether the file at the path `inside` the package describes a service that is not in `services`."""
    for data in _DATA:
        if inside.is_relative_to(data):
            # Files directly in the data folder (endpoints, retries) apply to all services.
            below = inside.relative_to(data).parts
            return len(below) > 1 and below[0] not in services
    return False


def carried(package: Path) -> list[str]:
    """Return the services that the zip `package` can call, sorted."""
    with zipfile.ZipFile(package) as archive:
        described = [
            name.removeprefix(f"{_DATA[0]}/") for name in archive.namelist() if name.startswith(f"{_DATA[0]}/")
        ]
    return sorted({name.partition("/")[0] for name in described if "/" in name})


def require_carried(package: Path, services: frozenset[str], sources: Mapping[str, Path]) -> None:
    """Raise `PackageError` if the zip lacks one of `services`, or a service that a call in `sources` names.

    `sources` maps names in the zip to files. A zip without boto3 is not checked. The message names
    the file and the fix.
    """
    there = set(carried(package))
    if not there:
        return
    if missing := sorted(services - there):
        raise PackageError(f"The locked botocore does not know {', '.join(missing)}: lock a newer one.")
    problems = [
        f"  {name}:{line}: {_advice(service)}"
        for name, path in sources.items()
        if path.suffix == ".py"
        for line, service, of_boto3 in _called(path)
        if service not in there and (of_boto3 or service in known())
    ]
    if problems:
        raise PackageError("\n".join([f"{package.name} lacks AWS services that its code calls:", *problems]))


def _called(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield (line, service, whether it is a call of `boto3`) for each call such as `client("s3")` in a source."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if not isinstance(node, ast.Call):
            continue
        match node.func:
            case ast.Attribute(attr=function, value=of):
                of_boto3 = isinstance(of, ast.Name) and of.id == "boto3"
            case ast.Name(id=function):
                of_boto3 = False
            case _:
                continue
        given = [*node.args[:1], *(keyword.value for keyword in node.keywords if keyword.arg == "service_name")]
        if function.lstrip("_") in _CALLS and given:
            match given[0]:
                case ast.Constant(value=str(service)):
                    yield node.lineno, service, of_boto3


def _advice(service: str) -> str:
    if service not in known():
        return f"boto3 does not know {service}{_nearest(service)}."
    return f'{service} is not in the package: put "{service}" into `aws_services` in pyproject.toml.'


def _nearest(service: str) -> str:
    near = get_close_matches(service.lower(), sorted(known()), n=1, cutoff=0.0)
    return f"; the nearest name is {near[0]}" if near else ""
