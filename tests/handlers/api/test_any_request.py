"""Random requests: the API answers with a success or a problem, and never with an internal error."""

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.api.site import opened
from tests.handlers.events import PROBLEM, call

# Words that the API knows, and others. Random text alone would not pass the first check.
FIELDS = [
    "analysis",
    "input",
    "subject",
    "priority",
    "client",
    "project",
    "isbn",
    "copies",
    "notes",
    "scan",
    "document",
]
OTHERS = ["filename", "content_type", "size", "status", "from", "to", "limit", "cursor", "wait"]
VALUES_OF_THEM = ["book-valuation", "rfp-analysis", "medium", "application/pdf", "queued", "2026-01-01", "1", "25"]
WORDS = st.sampled_from([*FIELDS, *OTHERS, *VALUES_OF_THEM, "01m80ep4519qqbn8af6shbwev8"])
TEXTS = WORDS | st.text(max_size=20)
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)
SUBMISSIONS = st.fixed_dictionaries(
    {"analysis": st.just("book-valuation") | VALUES, "input": st.dictionaries(TEXTS, VALUES, max_size=4) | VALUES},
    optional=dict.fromkeys(("subject", "priority", "client", "project"), VALUES),
)
QUIET = settings(derandomize=True, database=None, deadline=None, max_examples=150)


def _check(method: str, path: str, expected: int, **request: Any) -> None:
    with opened(MemoryJobStore(), ManualClock()):
        answer = call(method, path, **request)
    if answer.status != expected:
        assert answer.status in {400, 403, 404, 422}
        assert answer.headers["content-type"] == PROBLEM
        assert answer.json["detail"]


@QUIET
@given(body=VALUES | SUBMISSIONS, key=st.none() | st.text(max_size=10))
def test_any_submission_gets_a_valid_answer(body: Any, key: str | None) -> None:
    _check("POST", "/jobs", 202, raw=json.dumps(body), headers={} if key is None else {"Idempotency-Key": key})


@QUIET
@given(body=VALUES)
def test_any_body_of_an_own_route_or_an_upload_gets_a_valid_answer(body: Any) -> None:
    _check("POST", "/proposals/42/analyze-rfp", 202, raw=json.dumps(body))
    _check("POST", "/uploads", 201, raw=json.dumps(body))


@QUIET
@given(raw=st.text(max_size=50))
def test_any_text_as_a_body_gets_a_valid_answer(raw: str) -> None:
    _check("POST", "/jobs", 202, raw=raw)


@QUIET
@given(query=st.dictionaries(WORDS, TEXTS, max_size=4))
def test_any_query_gets_a_valid_answer(query: dict[str, str]) -> None:
    _check("GET", "/jobs", 200, query=query)


@QUIET
@given(part=TEXTS, tenant=TEXTS)
def test_any_path_and_any_tenant_get_a_valid_answer(part: str, tenant: str) -> None:
    _check("GET", f"/jobs/{part}", 200, tenant=tenant)
    _check("GET", f"/proposals/{part}/analysis-status", 200, tenant=tenant)
    _check("GET", f"/{part}", 200, tenant=tenant)
