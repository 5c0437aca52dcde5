"""The files of a job: how its status lists them, and where a download redirects."""

from collections.abc import Iterator
from datetime import timedelta

import pytest

from analysis_jobs import Analysis
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.record import JobKey, StoredFile
from analysis_jobs.jobs.transitions import COMPLETE
from tests.handlers.api.site import Price, Site, Valuation, opened, submit, value
from tests.handlers.events import call

UNKNOWN = "01kdvdna00246fsfg17tk8a8cy"
FILES = {"schedule.csv": StoredFile(1, 12, "text/csv"), "report.txt": StoredFile(0, 3, "text/plain")}
DRAWING = Analysis(
    "drawing",
    request=Valuation,
    result=Price,
    stages=[value],
    submit_route="POST /clients/{client}/projects/{project}/drawings",
    status_route="GET /status/{job_id}",
    download_route="GET /download/{job_id}/{kind}",
    downloads={"sheet": "schedule.csv"},
)


@pytest.fixture
def site(store: JobStore, clock: ManualClock) -> Iterator[Site]:
    with opened(store, clock, DRAWING) as site:
        yield site


def _done(site: Site, body: dict[str, object] | None = None) -> str:
    job_id = submit(body or {"analysis": "drawing", "input": {"isbn": "42"}})
    site.claim(job_id)
    site.take(job_id, COMPLETE, files=FILES, finished_at=site.clock.now())
    return job_id


def test_the_status_lists_the_files_with_their_download_urls(site: Site) -> None:
    job_id = _done(site)
    assert call("GET", f"/jobs/{job_id}").json["files"] == {
        "report.txt": {"size": 3, "content_type": "text/plain", "url": f"/jobs/{job_id}/files/report.txt"},
        "schedule.csv": {"size": 12, "content_type": "text/csv", "url": f"/jobs/{job_id}/files/schedule.csv"},
    }
    assert "files" not in call("GET", "/jobs").json["jobs"][0]


@pytest.mark.parametrize(("name", "within"), [("schedule.csv", "1/schedule.csv"), ("report.txt", "report.txt")])
def test_a_download_redirects_to_the_bucket_with_a_link_valid_for_five_minutes(
    site: Site, name: str, within: str
) -> None:
    job_id = _done(site)
    answer = call("GET", f"/jobs/{job_id}/files/{name}")
    assert (answer.status, answer.body) == (302, "")
    link, _, query = answer.headers["location"].partition("?")
    assert link == f"memory://download/jobs/acme/{job_id}/files/{within}"
    assert query == f"filename={name}&type={FILES[name].content_type}&seconds=300"
    assert answer.headers["cache-control"] == "no-store"


def test_a_caller_that_accepts_json_gets_the_link_in_the_body(site: Site) -> None:
    job_id = _done(site)
    path = f"/jobs/{job_id}/files/report.txt"
    answer = call("GET", path, headers={"Accept": "application/json, text/plain"})
    assert answer.status == 200
    assert answer.json == {"url": call("GET", path).headers["location"], "expires_in_seconds": 300}


@pytest.mark.parametrize("name", ["nope.csv", "SCHEDULE.CSV", "..", "1"])
def test_a_file_that_the_job_does_not_have_is_not_found(site: Site, name: str) -> None:
    answer = call("GET", f"/jobs/{_done(site)}/files/{name}")
    assert (answer.status, answer.fields) == (404, [])


def test_a_file_of_another_tenant_looks_like_a_file_of_an_unknown_job(site: Site) -> None:
    job_id = _done(site)
    for path in (f"/jobs/{job_id}/files/report.txt", f"/download/{job_id}/sheet", f"/status/{job_id}"):
        theirs = call("GET", path, tenant="other")
        none = call("GET", path.replace(job_id, UNKNOWN))
        assert theirs.status == none.status == 404
        assert theirs.json == {**none.json, "detail": f"there is no job {job_id}"}
        assert call("GET", path, tenant=None).status == 403


@pytest.mark.parametrize("job_id", ["nope", "..", "{job_id}"])
@pytest.mark.usefixtures("site")
def test_an_unknown_job_has_no_files(job_id: str) -> None:
    assert call("GET", f"/jobs/{job_id}/files/report.txt").status == 404
    assert call("GET", f"/download/{job_id}/sheet").status == 404


# Routes that an analysis declares itself


def test_an_own_route_takes_client_and_project_from_its_path(site: Site) -> None:
    answer = call("POST", "/clients/globex/projects/tower/drawings", {"isbn": "42"})
    assert answer.status == 202
    job = site.store.get(JobKey("acme", answer.json["job_id"]))
    assert job
    assert (job.client, job.project, job.subject) == ("globex", "tower", None)
    listed = call("GET", "/jobs", query={"client": "globex"}).json["jobs"]
    assert [job["job_id"] for job in listed] == [answer.json["job_id"]]


@pytest.mark.usefixtures("site")
def test_a_too_long_client_in_the_path_is_refused_and_the_problem_names_the_field() -> None:
    answer = call("POST", f"/clients/{'c' * 129}/projects/tower/drawings", {"isbn": "42"})
    assert (answer.status, answer.fields) == (422, ["client"])


def test_an_own_status_route_shows_a_job_by_its_id(site: Site) -> None:
    job_id = _done(site)
    assert call("GET", f"/status/{job_id}").json == call("GET", f"/jobs/{job_id}").json


def test_an_own_download_route_finds_a_file_by_its_alias_or_its_name(site: Site) -> None:
    job_id = _done(site)
    expected = call("GET", f"/jobs/{job_id}/files/schedule.csv").headers["location"]
    for named in ("sheet", "schedule.csv"):
        answer = call("GET", f"/download/{job_id}/{named}")
        assert (answer.status, answer.headers["location"]) == (302, expected)
    assert call("GET", f"/download/{job_id}/pdf").status == 404


def test_own_routes_do_not_show_jobs_of_another_analysis(site: Site) -> None:
    job_id = _done(site, {"analysis": "book-valuation", "input": {"isbn": "42"}})
    site.clock.advance(timedelta(seconds=1))
    assert call("GET", f"/jobs/{job_id}").status == 200
    assert call("GET", f"/status/{job_id}").status == 404
    assert call("GET", f"/download/{job_id}/sheet").status == 404
