"""The benchmark: the limits on requests per job, and the section that it writes."""

from collections import Counter

import pytest

import bench

STEPS = {"POST /jobs": Counter({"dynamodb:PutItem": 1, "dynamodb:Query": 4})}
MILLISECONDS = {"boto3": 200.0, "api, imported": 250.0}
MANIFEST = {"path": "x.zip", "files": {"count": 7, "unzipped_bytes": 2_500_000}, "size_bytes": 1_200_000}


@pytest.fixture(scope="module")
def steps() -> dict[str, Counter[str]]:
    return bench.requests()


# A submission with a document has one more request, for the document's version. With a key it has another one, which
# looks the key up: a repeated submission must not ask for the document.
@pytest.mark.parametrize(
    ("step", "most"),
    [
        ("POST /uploads", 0),
        ("POST /jobs", 3),
        ("the worker, one job", 6),
        ("the worker, the same message again", 1),
        ("GET /jobs/{job_id}", 1),
        ("GET /jobs", 1),
        ("the sweeper, nothing overdue", 4),
        ("an own route, with a key", 4),
        ("the same key again", 2),
        ("an own status route", 2),
    ],
)
def test_no_step_makes_more_requests_than_it_did(steps: dict[str, Counter[str]], step: str, most: int) -> None:
    assert steps[step].total() <= most, steps[step]


def test_a_job_is_one_call_of_the_model_and_no_scan(steps: dict[str, Counter[str]]) -> None:
    made = sum(steps.values(), Counter[str]())
    assert made["bedrock-runtime:ConverseStream"] == 1
    assert made["dynamodb:Scan"] == made["s3:ListObjectsV2"] == 0


def test_the_section_has_ratios_requests_and_sizes() -> None:
    section = bench.section(MILLISECONDS, STEPS, [MANIFEST])
    assert "| api, imported | 250 | 1.25 |" in section
    assert "| POST /jobs | 5 | dynamodb:PutItem, dynamodb:Query x 4 |" in section
    assert "| `dist/x.zip` | 1.2 | 2.5 | 7 |" in section


def test_without_a_package_the_section_says_how_to_build_one() -> None:
    assert "`make package` first" in bench.section(MILLISECONDS, STEPS, [])


def test_what_stands_between_the_markers_is_replaced_and_the_rest_stays() -> None:
    text = f"# Benchmarks\n\nBefore.\n\n{bench.BEGIN}\nold\n{bench.END}\n\nAfter.\n"
    once = bench.replaced(text, "new")
    assert once == f"# Benchmarks\n\nBefore.\n\n{bench.BEGIN}\n\nnew\n\n{bench.END}\n\nAfter.\n"
    assert bench.replaced(once, "new") == once


def test_a_file_without_markers_gets_them_at_its_end() -> None:
    assert bench.replaced("# Benchmarks\n", "new") == f"# Benchmarks\n\n{bench.BEGIN}\n\nnew\n\n{bench.END}\n"


def test_every_program_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "RUNS", 1)
    monkeypatch.setattr(bench, "HANDLERS", ("events",))
    found = bench.imports()
    assert list(found) == ["boto3", *bench.OTHERS, "events, imported", "events, ready"]
    assert all(each > 0 for each in found.values())
