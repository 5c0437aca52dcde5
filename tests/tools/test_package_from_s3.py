"""A package over 50 MB is built, and planned from S3."""

import base64
import dataclasses
import random
from pathlib import Path

import boto3
import pytest
from moto import mock_aws

from analysis_jobs.authoring import declarations
from analysis_jobs_dev.environments.package import Package
from analysis_jobs_dev.environments.package_bucket import upload
from analysis_jobs_dev.packager import HOST, Sources, build
from analysis_jobs_dev.packager.refusals import DIRECT_UPLOAD_LIMIT
from tests.modules.harness import account_server, make_workspace
from tests.modules.planning import plan_environment


def test_a_package_over_the_request_limit_is_built_and_planned_from_s3(
    project: Sources, tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = project.project.folder / "prompts" / "model.bin"
    weights.write_bytes(random.Random(7).randbytes(DIRECT_UPLOAD_LIMIT + 1))  # random bytes do not compress
    [manifest] = build(project, [HOST], out=tmp_path / "dist", cache=cache)
    built = tmp_path / "dist" / manifest.path
    assert manifest.size_bytes == built.stat().st_size > DIRECT_UPLOAD_LIMIT

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        s3 = boto3.client("s3", region_name="eu-west-1")
        s3.create_bucket(Bucket="packages", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
        s3.put_bucket_versioning(Bucket="packages", VersioningConfiguration={"Status": "Enabled"})
        hashes = manifest.sha256_base64, manifest.sha256
        uploaded = upload(built, *hashes, bucket="packages", region="eu-west-1")
        kept = s3.head_object(Bucket="packages", Key=uploaded["key"], ChecksumMode="ENABLED")
    assert base64.b64decode(kept["ChecksumSHA256"]).hex() == manifest.sha256

    # The environment runs another analysis than the small project of these tests has.
    declared = dataclasses.replace(manifest.declarations, analyses=declarations.declared(["rfp_analysis"]))
    written = dataclasses.replace(manifest, declarations=declared).write(built.parent)
    terraform = make_workspace(tmp_path / "terraform")
    with account_server() as account_url:
        _, plan = plan_environment("staging", terraform.root, account_url, Package(written, uploaded), monkeypatch)
    functions = plan.of_type("aws_lambda_function").values()
    assert len(functions) == 4
    for function in functions:
        assert (function["s3_bucket"], function["s3_key"]) == ("packages", uploaded["key"])
        assert function["s3_object_version"] == kept["VersionId"]
        assert function["source_code_hash"] == manifest.sha256_base64
        assert function["filename"] is None
