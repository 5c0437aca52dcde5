"""The client reports the API's errors, repeats what is safe to repeat, and sends its token only to the API."""

from datetime import timedelta
from pathlib import Path

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client.http import ApiError, Client, UnreachableError
from analysis_jobs.client.proxies import connection_pool, proxy_of
from tests.cli.api_server import ApiServer, token_of


def test_an_error_carries_the_status_and_the_problem_details(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.job("nope")
    assert (caught.value.status, caught.value.problem["title"]) == (404, "Not found")
    assert str(caught.value).endswith("/jobs/nope answered 404: there is no /jobs/nope")


def test_a_response_that_is_not_json_is_shown_unchanged(api: ApiServer, client: Client) -> None:
    api.trouble("GET", "/jobs", 400)
    api.troubles["GET", "/jobs"][0] = (400, {}, b"<Error>AccessDenied</Error>")
    with pytest.raises(ApiError, match="answered 400: <Error>AccessDenied</Error>"):
        client.call("GET", "/jobs")


def test_a_redirect_is_not_followed(api: ApiServer, client: Client) -> None:
    api.trouble("GET", "/jobs", 302, Location=f"{api.url}/elsewhere")
    with pytest.raises(ApiError) as caught:
        client.call("GET", "/jobs")
    assert caught.value.status == 302
    assert api.asked("GET", "/elsewhere") == 0


def test_a_job_id_is_escaped_in_the_path(api: ApiServer, client: Client) -> None:
    with pytest.raises(ApiError):
        client.retry("../jobs/x?a=b")
    assert api.calls == [("POST", "/jobs/..%2Fjobs%2Fx%3Fa%3Db/retry")]


@pytest.mark.parametrize("trouble", [429, 500, 503, 0])
def test_a_temporary_error_is_retried_after_a_pause(
    api: ApiServer, client: Client, clock: ManualClock, trouble: int
) -> None:
    job_id, began = api.add(), clock.now()
    api.trouble("GET", f"/jobs/{job_id}", trouble, trouble)
    assert client.job(job_id)["status"] == "failed"
    assert api.asked("GET", f"/jobs/{job_id}") == 3
    assert timedelta() < clock.now() - began <= timedelta(seconds=3)


def test_the_client_waits_as_long_as_retry_after_says(api: ApiServer, client: Client, clock: ManualClock) -> None:
    job_id, began = api.add(), clock.now()
    api.trouble("GET", f"/jobs/{job_id}", 429, Retry_After="7")
    client.job(job_id)
    assert clock.now() - began == timedelta(seconds=7)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_permanent_error_is_not_retried(api: ApiServer, client: Client, status: int) -> None:
    api.trouble("GET", "/jobs", status)
    with pytest.raises(ApiError):
        client.call("GET", "/jobs")
    assert api.asked("GET", "/jobs") == 1


def test_the_error_is_raised_after_the_last_try(api: ApiServer, client: Client) -> None:
    api.trouble("GET", "/jobs", *[503] * 6)
    with pytest.raises(ApiError) as caught:
        client.call("GET", "/jobs")
    assert (caught.value.status, api.asked("GET", "/jobs")) == (503, 6)


def test_a_client_retries_nothing_by_default(api: ApiServer) -> None:
    api.trouble("GET", "/jobs", 503)
    with pytest.raises(ApiError):
        Client(api.url, token_of("acme")).call("GET", "/jobs")
    assert api.asked("GET", "/jobs") == 1


def test_an_unreachable_api_is_named_in_the_error() -> None:
    with pytest.raises(UnreachableError, match=r"GET http://127\.0\.0\.1:1/jobs cannot be reached"):
        Client("http://127.0.0.1:1/", None).call("GET", "/jobs", params={"secret": 1})


def test_an_upload_is_a_form_with_the_file_last_and_without_the_token(
    api: ApiServer, client: Client, tmp_path: Path
) -> None:
    document = tmp_path / "ümlaut.pdf"
    document.write_bytes(b"%PDF-1.7\r\n\x00\xff")
    assert client.upload(document) == "u1/ümlaut.pdf"
    _, headers, form = api.bodies[-1]
    assert "Authorization" not in headers
    assert form.index(b'name="key"') < form.index(b'name="policy"') < form.index(b'name="file"')
    assert b"\r\n\r\n%PDF-1.7\r\n\x00\xff\r\n--" in form


def test_all_pages_of_a_list_are_read(api: ApiServer, client: Client) -> None:
    ids = [api.add() for _ in range(7)]
    assert [job["job_id"] for job in client.jobs(status="failed", limit=3)] == ids[::-1]
    assert api.asked("GET", "/jobs") == 3


def test_waiting_for_the_end_stops_at_the_timeout(api: ApiServer, client: Client, clock: ManualClock) -> None:
    job_id, began = api.add("processing"), clock.now()
    with pytest.raises(TimeoutError, match=f"Job {job_id} was still processing after 5 s"):
        client.ended(job_id, timeout_s=5, poll_s=1)
    assert clock.now() - began == timedelta(seconds=6)


def test_waiting_reports_every_status_and_returns_the_ended_job(api: ApiServer, client: Client) -> None:
    job_id, seen = api.add("processing"), []

    def show(job: dict[str, str]) -> None:
        seen.append(job["status"])
        api.jobs[job_id]["status"] = "completed"

    assert client.ended(job_id, on_status=show)["status"] == "completed"
    assert seen == ["processing", "completed"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.example.com/jobs", "http://proxy:3128"),
        ("http://api.example.com/jobs", "http://other:3128"),
        ("https://inside.example.org/", None),
        ("https://localhost:4566/", None),
        ("https://abc.execute-api.localhost:4566/", None),
        ("https://127.0.0.1:4566/", None),
        ("https://[::1]:4566/", None),
    ],
)
def test_the_proxy_of_the_environment_is_used_except_for_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str | None
) -> None:
    for name in ("https_proxy", "http_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("http_proxy", "http://other:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    assert proxy_of(url) == expected


def test_the_proxy_gets_the_login_of_its_url() -> None:
    pool = connection_pool("http://me:pass%20word@proxy:3128")
    assert getattr(pool, "proxy_headers") == {"proxy-authorization": "Basic bWU6cGFzcyB3b3Jk"}  # noqa: B009 - untyped


def test_a_missing_ca_bundle_is_an_error(api: ApiServer, tmp_path: Path) -> None:
    client = Client(api.url.replace("http:", "https:"), None, ca_bundle=tmp_path / "missing.pem")
    with pytest.raises(UnreachableError, match="No such file"):
        client.call("GET", "/jobs")
