"""The filter of the job table's stream: each event of a job reaches the events function, and no heartbeat does.

The rules of a filter pattern: https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventfiltering.html and, for
the records of DynamoDB, https://docs.aws.amazon.com/lambda/latest/dg/with-ddb-filtering.html. `exists` works on leaves.
"""

import json
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from typing import Any

import pytest

from analysis_jobs.jobs.transitions import Status
from tests.faults.invariants import passes_the_stream_filter
from tests.handlers.builders import START, a_processing_job
from tests.handlers.streams import stream_record
from tests.modules.harness import Terraform
from tests.modules.planning import make_plan, write_package
from tests.modules.test_instances import ROOT, STACK

_MOST_FILTERS = 5  # of one event source mapping, without a request to AWS


@pytest.fixture(scope="module")
def patterns(terraform: Terraform, account_url: str) -> list[dict[str, Any]]:
    root = terraform.root / "stream-filter"
    root.mkdir()
    (root / "modules").symlink_to(terraform.root / "modules")
    stack = STACK % {"module": "books", "alias": "", "name": "books"}
    (root / "main.tf").write_text(ROOT + stack, encoding="utf-8")
    write_package(root / "dist", "minimal")
    mapping = make_plan(terraform, root.name, account_url).one(
        "aws_lambda_event_source_mapping", starting_position="TRIM_HORIZON"
    )
    [criteria] = mapping["filter_criteria"]
    return [json.loads(each["pattern"]) for each in criteria["filter"]]


def passes(patterns: list[dict[str, Any]], record: Mapping[str, Any]) -> bool:
    """Tell whether a record matches one of the patterns, as Lambda compares them."""
    return any(_matches(pattern, record) for pattern in patterns)


def _matches(pattern: Mapping[str, Any], found: object) -> bool:
    if not isinstance(found, Mapping):
        return all(_absent(wanted) for wanted in pattern.values())
    for name, wanted in pattern.items():
        if isinstance(wanted, dict):
            if not _matches(wanted, found.get(name)):
                return False
        elif not any(_allows(rule, found.get(name)) for rule in wanted):
            return False
    return True


def _allows(rule: object, value: object) -> bool:
    match rule:
        case {"exists": bool(wanted)}:
            return wanted == (value is not None and not isinstance(value, Mapping))
        case {"prefix": str(prefix)}:
            return isinstance(value, str) and value.startswith(prefix)
        case {"anything-but": list(others)}:
            return value is not None and value not in others
        case str():
            return value == rule
    raise ValueError(f"no rule for {rule}")


def _absent(wanted: object) -> bool:
    """Tell whether a pattern matches where there is nothing: only `exists: false` does."""
    return wanted == [{"exists": False}]


def test_a_record_passes_unless_its_row_is_processing_without_a_claim_or_a_cancel(
    patterns: list[dict[str, Any]],
) -> None:
    assert len(patterns) <= _MOST_FILTERS
    seen = set()
    for status, claimant, asked in product(Status, ("6f1e", None), (START, None)):
        job = replace(a_processing_job(), status=status, claimant=claimant, cancel_asked_at=asked)
        for record in (stream_record(1, job, replace(job, version=2)), stream_record(1, None, job)):
            assert passes(patterns, record) == passes_the_stream_filter(job), (status, claimant, asked)
            seen.add(passes(patterns, record))
    assert seen == {True, False}


def test_a_deleted_row_and_an_item_that_is_no_job_do_not_pass(patterns: list[dict[str, Any]]) -> None:
    job = replace(a_processing_job(), status=Status.COMPLETED)
    assert not passes(patterns, stream_record(1, job, None))
    record = stream_record(1, job, replace(job, version=2))
    record["dynamodb"]["Keys"]["item"] = {"S": f"key#{job.job_id}"}
    assert not passes(patterns, record)


def test_a_tombstone_does_not_pass(patterns: list[dict[str, Any]]) -> None:
    job = replace(a_processing_job(), status=Status.COMPLETED)
    record = stream_record(1, job, replace(job, version=2))
    image = record["dynamodb"]["NewImage"]
    record["dynamodb"]["NewImage"] = {name: image[name] for name in ("tenant", "item")} | {"erased_at": {"N": "1"}}
    assert not passes(patterns, record)
