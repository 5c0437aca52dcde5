"""The client raises the API's errors, retries only safe calls, and sends the token only to the API."""

from collections import deque
from datetime import timedelta
from pathlib import Path

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.client.http import ApiError, Client, UnreachableError
from analysis_jobs.client.proxies import connection_pool, proxy_of
from tests.cli.api_server import ApiServer, token_of


def test_a_refusal_carries_its_status_and_its_problem_details(client: Client) -> None:
    with pytest.raises(ApiError) as caught:
        client.job("nope")
    assert (caught.value.status, caught.value.problem["title"]) == (404, "Not found")
    assert str(caught.value).endswith("/jobs/nope answered 404: there is no /jobs/nope")


def test_an_answer_that_is_no_json_is_shown_as_it_is(api: ApiServer, client: Client) -> None:
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


def test_a_job_id_cannot_leave_its_place_in_the_path(api: ApiServer, client: Client) -> None:
    with pytest.raises(ApiError):
        client.retry("../jobs/x?a=b")
    assert api.calls == [("POST", "/jobs/..%2Fjobs%2Fx%3Fa%3Db/retry")]


@pytest.mark.parametrize("trouble", [429, 500, 503, 0])
def test_what_passes_is_tried_again_after_a_pause(
    api: ApiServer, client: Client, clock: ManualClock, trouble: int
) -> None:
    job_id, began = api.add(), clock.now()
    api.trouble("GET", f"/jobs/{job_id}", trouble, trouble)
    assert client.job(job_id)["status"] == "failed"
    assert api.asked("GET", f"/jobs/{job_id}") == 3
    assert timedelta() < clock.now() - began <= timedelta(seconds=3)


def test_a_pause_is_as_long_as_the_api_asks_for(api: ApiServer, client: Client, clock: ManualClock) -> None:
    job_id, began = api.add(), clock.now()
    api.trouble("GET", f"/jobs/{job_id}", 429, Retry_After="7")
    client.job(job_id)
    assert clock.now() - began == timedelta(seconds=7)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_what_does_not_pass_is_not_tried_again(api: ApiServer, client: Client, status: int) -> None:
    api.trouble("GET", "/jobs", status)
    with pytest.raises(ApiError):
        client.call("GET", "/jobs")
    assert api.asked("GET", "/jobs") == 1


def test_in_the_end_the_trouble_is_told(api: ApiServer, client: Client) -> None:
    api.trouble("GET", "/jobs", *[503] * 6)
    with pytest.raises(ApiError) as caught:
        client.call("GET", "/jobs")
    assert (caught.value.status, api.asked("GET", "/jobs")) == (503, 6)


def test_without_patience_nothing_is_tried_again(api: ApiServer) -> None:
    api.trouble("GET", "/jobs", 503)
    with pytest.raises(ApiError):
        Client(api.url, token_of("acme")).call("GET", "/jobs")
    assert api.asked("GET", "/jobs") == 1


def test_an_api_that_is_not_there_is_named() -> None:
    with pytest.raises(UnreachableError, match=r"GET http://127\.0\.0\.1:1/jobs cannot be reached"):
        Client("http://127.0.0.1:1/", None).call("GET", "/jobs", params={"secret": 1})


def test_an_upload_is_a_form_whose_last_part_is_the_file_and_does_not_carry_the_token(
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


def test_waiting_for_the_end_takes_no_longer_than_it_may(api: ApiServer, client: Client, clock: ManualClock) -> None:
    job_id, began = api.add("processing"), clock.now()
    with pytest.raises(TimeoutError, match=f"Job {job_id} was still processing after 5 s"):
        client.ended(job_id, timeout_s=5, poll_s=1)
    assert clock.now() - began == timedelta(seconds=6)


def test_waiting_shows_every_status_and_returns_the_last(api: ApiServer, client: Client) -> None:
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
def test_a_proxy_is_used_but_never_to_this_machine(
    monkeypatch: pytest.MonkeyPatch, url: str, expected: str | None
) -> None:
    for name in ("https_proxy", "http_proxy", "no_proxy", "all_proxy"):
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("https_proxy", "proxy:3128")
    monkeypatch.setenv("http_proxy", "http://other:3128")
    monkeypatch.setenv("no_proxy", "inside.example.org")
    assert proxy_of(url) == expected


def test_a_proxy_is_told_who_asks() -> None:
    pool = connection_pool("http://me:pass%20word@proxy:3128")
    assert getattr(pool, "proxy_headers") == {"proxy-authorization": "Basic bWU6cGFzcyB3b3Jk"}  # noqa: B009 - untyped


def test_a_bundle_that_is_not_there_is_an_error_and_not_the_systems_trust(api: ApiServer, tmp_path: Path) -> None:
    client = Client(api.url.replace("http:", "https:"), None, ca_bundle=tmp_path / "missing.pem")
    with pytest.raises(UnreachableError, match="No such file"):
        client.call("GET", "/jobs")


def test_a_result_that_the_answer_only_links_is_read_without_the_token(api: ApiServer, client: Client) -> None:
    job_id = api.add("completed", result=None, result_url=f"{api.url}/bucket/result.json?X-Amz-Signature=s")
    api.troubles["GET", "/bucket/result.json"] = deque([(200, {}, b'{"large": [1]}')])
    assert client.job(job_id)["result"] == {"large": [1]}
    [(_, headers, _)] = [each for each in api.bodies if each[0].startswith("/bucket/result.json")]
    assert "Authorization" not in headers


@pytest.mark.parametrize(
    ("text", "sent"),
    [("Zürich €", '{"a":"Zürich €"}'.encode()), ("\ud83d", b'{"a": "\\ud83d"}')],
    ids=["text", "half a pair"],
)
def test_a_body_is_sent_in_as_few_bytes_as_possible(api: ApiServer, client: Client, text: str, sent: bytes) -> None:
    with pytest.raises(ApiError):
        client.call("POST", "/nowhere", json={"a": text})
    assert [body for path, _, body in api.bodies if path == "/nowhere"] == [sent]
