"""A package can call the AWS services that it needs and no others. The build reports a service that is missing."""

import dataclasses
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import botocore
import pytest

from analysis_jobs_dev import package
from analysis_jobs_dev.packager import HOST, Manifest, PackageError, Sources, build, locks, services
from analysis_jobs_dev.packager.dependencies import Dependencies, zipped

BOTO3 = ("six", "boto3", "botocore", "jmespath", "s3transfer", "python-dateutil", "urllib3")
LISTED = frozenset({"rekognition"})
# Runs in a Python that has the package only: each client can be made, with its waiters, paginators and endpoints.
EVERY_CLIENT = """
import sys
sys.path.insert(0, sys.argv[1])
import boto3, botocore.exceptions
session = boto3.Session("x", "y", region_name="eu-west-1")
for service in sys.argv[2:]:
    client = session.client(service)
    assert client.waiter_names is not None and "eu-west-1" in client.meta.endpoint_url
    for operation in client.meta.method_to_api_mapping:
        if client.can_paginate(operation):
            client.get_paginator(operation)
for service in session.get_available_resources():
    session.resource(service)
url = session.client("s3").generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "k"})
assert url.startswith("https://bucket.s3."), url
assert session.get_partition_for_region("cn-north-1") == "aws-cn"
print(*session.get_available_services(), "|", *session.get_available_resources(), "|")
try:
    session.client("ec2")
except botocore.exceptions.UnknownServiceError as error:
    print(error)
"""

Project = Callable[..., Sources]


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    out = tmp_path_factory.mktemp("dist")
    [manifest] = build(package.sources(package.example("rfp-analysis")), [HOST], out=out)
    return dataclasses.replace(manifest, path=str(out / manifest.path))


@pytest.fixture
def calling(project: Sources, locked: Callable[..., str]) -> Project:
    """Write a project with boto3 and an analysis of this source. `named` are its `aws_services`."""

    def write(source: str, named: frozenset[str] = frozenset()) -> Sources:
        project.library.lock.write_text(locked(*BOTO3), encoding="utf-8")
        (project.project.folder / "faces.py").write_text(source, encoding="utf-8")
        described = dataclasses.replace(project.project, aws_services=tuple(sorted(named)))
        return dataclasses.replace(project, project=described)

    return write


def described(names: list[str], data: str) -> set[str]:
    """Return the names in a zip that are below the folder `data`, relative to it."""
    return {name.removeprefix(f"{data}/") for name in names if name.startswith(f"{data}/")}


def test_a_package_describes_the_services_of_the_library_wholly_and_no_others(real: Manifest) -> None:
    assert real.aws_services == sorted(services.OF_EVERY_PACKAGE)
    site = Path(botocore.__file__).parent.parent
    with zipfile.ZipFile(real.path) as archive:
        names = archive.namelist()
    for data in ("botocore/data", "boto3/data"):
        every = {path.relative_to(site / data).as_posix() for path in (site / data).rglob("*") if path.is_file()}
        wanted = {name for name in every if "/" not in name or name.split("/")[0] in services.OF_EVERY_PACKAGE}
        assert described(names, data) == wanted
    assert {"endpoints.json", "partitions.json", "_retry.json"} < described(names, "botocore/data")


def test_every_client_of_the_library_is_made_from_the_package_alone(real: Manifest, tmp_path: Path) -> None:
    with zipfile.ZipFile(real.path) as archive:
        archive.extractall(tmp_path)
    run = [sys.executable, "-W", "error", "-I", "-S", "-c", EVERY_CLIENT, str(tmp_path), *real.aws_services]
    said = subprocess.run(run, env={"PATH": os.defpath}, capture_output=True, text=True, check=False)
    assert not said.stderr
    clients, resources, refused = said.stdout.split("|")
    assert clients.split() == real.aws_services
    assert resources.split() == ["dynamodb", "s3", "sns", "sqs"]
    assert refused.strip().startswith("Unknown service: 'ec2'. Valid service names are: bedrock-runtime, dynamodb,")


def test_a_service_that_is_called_and_not_listed_is_refused(calling: Project, tmp_path: Path, cache: Path) -> None:
    what = calling("import boto3\n\n\ndef find():\n    return boto3.client('rekognition')\n")
    message = (
        r"poems-\w+\.zip lacks AWS services that its code calls:\n  faces\.py:5: rekognition is not in the "
        r'package: put "rekognition" into `aws_services` in pyproject\.toml\.'
    )
    with pytest.raises(PackageError, match=message):
        build(what, [HOST], out=tmp_path / "dist", cache=cache)
    assert not (tmp_path / "dist").exists()


def test_a_service_that_is_listed_is_in_the_package_and_makes_it_another_one(
    calling: Project, tmp_path: Path, cache: Path
) -> None:
    source = "import boto3\n\n\ndef find():\n    return boto3.client('rekognition')\n"
    [manifest] = build(calling(source, LISTED), [HOST], out=tmp_path / "dist", cache=cache)
    manifest_services = services.OF_EVERY_PACKAGE | LISTED
    assert manifest.aws_services == sorted(manifest_services)
    [again] = build(calling(source, LISTED), [HOST], out=tmp_path / "again", cache=cache)
    assert again.sha256 == manifest.sha256
    # It has its own entry in the cache of dependencies.
    pins = locks.read(calling(source).library.lock).pins(HOST)
    without = Dependencies(pins, HOST)
    assert zipped(without, cache) != zipped(dataclasses.replace(without, aws_services=manifest_services), cache)


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("client('ec2')", 1),
        ("_client('ec2', config)", 1),
        ("boto3.resource('ec2')", 1),
        ("\nsession.client(service_name='ec2')", 2),
        ("boto3.Session().client('ec2')", 1),
        ("botocore.session.get_session().create_client('ec2')", 1),
        ("def f():\n  return lambda: session.client('ec2')", 2),
    ],
)
def test_a_call_is_seen_however_it_is_written(source: str, line: int, real: Manifest, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=rf"\n  a\.py:{line}: ec2 is not in the package"):
        require_carried(source, real, tmp_path)


@pytest.mark.parametrize(
    "source", ["client('s3')", "client(name)", "client()", "http.client('weather')", "x.resource(1)", "ec2('ec2')"]
)
def test_what_is_there_or_is_no_service_is_not_refused(source: str, real: Manifest, tmp_path: Path) -> None:
    require_carried(source, real, tmp_path)


def test_a_slip_of_the_pen_in_a_call_of_boto3_is_refused_with_the_nearest(real: Manifest, tmp_path: Path) -> None:
    message = r"a\.py:1: boto3 does not know textrakt; the nearest name is textract\."
    with pytest.raises(PackageError, match=message):
        require_carried("boto3.client('textrakt')", real, tmp_path)


def require_carried(source: str, real: Manifest, folder: Path) -> None:
    path = folder / "a.py"
    path.write_text(source, encoding="utf-8")
    services.require_carried(Path(real.path), services.OF_EVERY_PACKAGE, {"a.py": path, "data.txt": path})


def test_what_the_library_calls_is_found_in_its_sources(tmp_path: Path) -> None:
    """The build therefore notices when the library starts to call a new service."""
    bare = tmp_path / "bare.zip"
    with zipfile.ZipFile(bare, "w") as archive:
        archive.writestr("botocore/data/s3/2006-03-01/service-2.json.gz", "")
    with pytest.raises(PackageError) as refused:
        services.require_carried(bare, frozenset(), package.sources(package.example("rfp-analysis")).files())
    missed = re.findall(r"analysis_jobs/wiring\.py:\d+: (\S+) is not in the package", str(refused.value))
    assert set(missed) == services.OF_EVERY_PACKAGE - {"s3"}


def test_a_botocore_that_lacks_a_service_is_refused(real: Manifest) -> None:
    with pytest.raises(PackageError, match=r"The locked botocore does not know ec2"):
        services.require_carried(Path(real.path), frozenset({"ec2", "s3"}), {})


def test_a_project_that_names_no_service_of_aws_is_refused(project: Sources) -> None:
    message = r"pyproject\.toml: aws_services names rekogniton, which boto3 .* the nearest name is rekognition\."
    with pytest.raises(PackageError, match=message):
        dataclasses.replace(project, project=dataclasses.replace(project.project, aws_services=("rekogniton",)))
