"""`GET /jobs`: a tenant's jobs, in pages, with filters."""

from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.base.clock import rfc3339
from analysis_jobs.base.ids import new_id
from tests.handlers.api.site import BOOK, Site, submit
from tests.handlers.builders import START
from tests.handlers.events import call

SECOND = timedelta(seconds=1)


def _jobs(query: dict[str, str] | None = None, **options: Any) -> list[str]:
    answer = call("GET", "/jobs", query=query, **options)
    assert answer.status == 200, answer.body
    return [job["job_id"] for job in answer.json["jobs"]]


def _some(site: Site, *bodies: dict[str, Any]) -> list[str]:
    """Submit jobs a second apart, and return their ids, newest first."""
    made = []
    for body in bodies:
        made.append(submit(BOOK | body))
        site.clock.advance(SECOND)
    return made[::-1]


def test_a_list_has_the_tenants_own_jobs_newest_first_without_results(both: Site) -> None:
    made = _some(both, {}, {"subject": "books/42"}, {})
    submit(tenant="other")
    assert _jobs() == made
    first = call("GET", "/jobs").json["jobs"][1]
    assert first["subject"] == "books/42"
    assert not {"result", "history", "input"} & first.keys()


@pytest.mark.usefixtures("both")
def test_a_tenant_without_jobs_has_an_empty_list() -> None:
    assert call("GET", "/jobs").json == {"jobs": [], "next_cursor": None}


@pytest.mark.parametrize("query", [{}, {"client": "web"}, {"from": "2025-01-01", "to": "2027-01-01"}])
def test_pages_have_neither_gaps_nor_overlaps(both: Site, query: dict[str, str]) -> None:
    made = _some(both, *[{"client": "web"}] * 7)
    seen, cursor = [], None
    for expected in (3, 3, 1):
        answer = call("GET", "/jobs", query={"limit": "3", **query, **({"cursor": cursor} if cursor else {})}).json
        seen += [job["job_id"] for job in answer["jobs"]]
        assert len(answer["jobs"]) == expected
        cursor = answer["next_cursor"]
        both.clock.advance(SECOND)
        submit(BOOK | {"client": "web"})  # a new job comes first and does not shift later pages
    assert (seen, cursor) == (made, None)


def test_each_filter_finds_only_matching_jobs(both: Site) -> None:
    plain, web, book = _some(both, {"subject": "books/42"}, {"client": "web"}, {})
    assert _jobs({"subject": "books/42"}) == [book]
    assert _jobs({"client": "web"}) == [web]
    assert _jobs({"status": "queued"}) == [plain, web, book]
    both.claim(plain)
    assert _jobs({"status": "processing"}) == [plain]
    assert _jobs({"status": "failed"}) == []
    assert _jobs({"client": "web", "from": "2026-01-02"}) == []


@pytest.mark.usefixtures("both")
def test_a_filter_does_not_reach_into_another_tenant() -> None:
    submit(BOOK | {"client": "web", "subject": "books/42"}, tenant="other")
    for query in ({"client": "web"}, {"subject": "books/42"}, {"status": "queued"}, {"client": "x#web"}):
        assert _jobs(query) == []
    submit(BOOK | {"client": "c#web"}, tenant="acm")
    assert _jobs({"client": "web"}, tenant="acm") == []


def test_a_date_range_includes_its_start_and_excludes_its_end(both: Site) -> None:
    third, second, first = _some(both, {}, {}, {})
    at = [rfc3339(START + number * SECOND) for number in range(3)]
    assert _jobs({"from": at[1]}) == [third, second]
    assert _jobs({"to": at[1]}) == [first]
    assert _jobs({"from": at[1], "to": at[2]}) == [second]
    assert _jobs({"from": at[1], "to": at[1]}) == []
    assert _jobs({"from": "2026-01-01T01:00:01+01:00"}) == [third, second], "a date may have any time zone"
    assert _jobs({"from": "2026-01-01"}) == [third, second, first], "a day begins at midnight UTC"
    assert _jobs({"from": "0001-01-01", "to": "9999-12-31"}) == [third, second, first]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"status": "done"}, "status"),
        ({"status": "queued,failed"}, "status"),
        ({"from": "yesterday"}, "from"),
        ({"to": "2026-13-01"}, "to"),
        ({"from": "2026-02-01", "to": "2026-01-01"}, "from"),
        ({"from_": "2026-01-01"}, "from_"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "ten"}, "limit"),
        ({"limit": "9" * 5_000}, "limit"),
        ({"client": "c" * 3_000}, "client"),
        ({"subject": "s" * 3_000}, "subject"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "job#1"}, "cursor"),
        ({"cursor": "~"}, "cursor"),
        ({"cursor": new_id(START), "from": "2026-02-01"}, "cursor"),
        ({"cursor": new_id(START), "to": "2025-12-01"}, "cursor"),
        ({"status": "queued", "client": "web"}, "client"),
        ({"client": "web", "subject": "books/42"}, "subject"),
        ({"tenant": "other"}, "tenant"),
        ({"colour": "red"}, "colour"),
    ],
)
@pytest.mark.usefixtures("site")
def test_an_invalid_query_is_refused_and_the_problem_names_the_field(query: dict[str, str], field: str) -> None:
    answer = call("GET", "/jobs", query=query)
    assert (answer.status, answer.fields) == (422, [field])


def test_a_cursor_of_another_tenant_shows_only_the_callers_own_jobs(both: Site) -> None:
    mine = _some(both, {}, {})
    theirs = submit(tenant="other")
    assert _jobs({"cursor": theirs}) == mine
