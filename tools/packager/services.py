"""The AWS services that a package can call: boto3 knows some 400, in more bytes than all other code together.

A package keeps the descriptions of those that the library calls, and of those that `package.toml` names. So
that none is missed first in production, the sources are searched for calls as `boto3.client("rekognition")`.
"""

import ast
import importlib.util
import zipfile
from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from functools import cache
from pathlib import Path, PurePosixPath

from packager import package_file
from packager.errors import PackageError

# What the library calls, and `sts`, by which boto3 takes on a role.
OF_EVERY_PACKAGE = frozenset(
    {
        *("bedrock-runtime", "dynamodb", "events", "s3", "secretsmanager"),
        *("sns", "sqs", "ssm", "sts", "textract"),
    }
)
_DATA = ("botocore/data", "boto3/data")
_CALLS = {"client", "resource", "create_client"}


def chosen(analyses: Path) -> frozenset[str]:
    """Return what `package.toml` in the folder `analyses` names as `aws_services`: without the file, none.

    Raises PackageError for a file that says it wrongly, and for a service that boto3 does not know.
    """
    named = package_file.names(analyses, "aws_services")
    for service in named:
        if service not in known():
            path = analyses / package_file.NAME
            raise PackageError(f"{path}: aws_services names {service}, which boto3 does not know{_nearest(service)}.")
    return frozenset(named)


@cache
def known() -> frozenset[str]:
    """Return the services that the builder's own botocore describes; the packages' has the same version."""
    spec = importlib.util.find_spec("botocore")
    if not spec or not spec.origin:
        raise PackageError("The builder's Python lacks botocore, which knows the names of the services.")
    return frozenset(path.name for path in Path(spec.origin).with_name("data").iterdir() if path.is_dir())


def is_unused(inside: PurePosixPath, services: frozenset[str]) -> bool:
    """Tell whether a file (its path in the package) describes a service that is not among `services`."""
    for data in _DATA:
        if inside.is_relative_to(data):
            # What is about no service in particular lies in the folder itself: the endpoints, the retries.
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
    """Refuse the zip where it lacks one of `services`, or one that `sources` (name in it -> file) call by name.

    A zip without boto3 calls none. Raises PackageError, which names the file and what to write into `package.toml`.
    """
    there = set(carried(package))
    if not there:
        return
    if missing := sorted(services - there):
        raise PackageError(f"The botocore that is locked does not know {', '.join(missing)}.")
    problems = [
        f"  {name}:{line}: {_advice(service)}"
        for name, path in sources.items()
        if path.suffix == ".py"
        for line, service, of_boto3 in _called(path)
        if service not in there and (of_boto3 or service in known())
    ]
    if problems:
        raise PackageError("\n".join([f"{package.name} cannot call every AWS service that is named:", *problems]))


def _called(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Yield (line, service, whether boto3 itself is called) for each call as `client("s3")` in a source."""
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
    return f'{service} is not in the package: put "{service}" into `aws_services` in {package_file.NAME}.'


def _nearest(service: str) -> str:
    near = get_close_matches(service.lower(), sorted(known()), n=1, cutoff=0.0)
    return f"; the nearest that it knows is {near[0]}" if near else ""
