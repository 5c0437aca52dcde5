"""A download follows the redirect of the API without its token, and writes into the given folder."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis_jobs.client.http import ApiError, Client
from tests.cli.api_server import ApiServer, serving

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bucket() -> Iterator[ApiServer]:
    """Return another server, in place of S3."""
    with serving() as server:
        yield server


def _lead(api: ApiServer, bucket: ApiServer, job_id: str, name: str, content: bytes) -> None:
    api.trouble("GET", f"/jobs/{job_id}/files/{name}", 302, Location=f"{bucket.url}/{name}?X-Amz-Signature=s")
    bucket.trouble("GET", f"/{name}", 200)
    bucket.troubles["GET", f"/{name}"][-1] = (200, {}, content)


def _job(api: ApiServer, *names: str) -> str:
    files = {name: {"size": 3, "content_type": "text/plain", "url": f"/x/{name}"} for name in names}
    return api.add("completed", files=files)


def test_a_download_follows_the_lead_and_does_not_show_the_token_there(
    api: ApiServer, bucket: ApiServer, client: Client
) -> None:
    job_id = _job(api, "a.txt")
    _lead(api, bucket, job_id, "a.txt", b"abc")
    assert client.download(job_id, "a.txt") == b"abc"
    [(path, headers, _)] = bucket.bodies
    assert path == "/a.txt?X-Amz-Signature=s"
    assert "Authorization" not in headers
    assert api.bodies[-1][1]["Authorization"].startswith("Bearer ")


def test_a_lead_that_leads_on_is_not_followed(api: ApiServer, bucket: ApiServer, client: Client) -> None:
    job_id = _job(api, "a.txt")
    api.trouble("GET", f"/jobs/{job_id}/files/a.txt", 302, Location=f"{bucket.url}/a.txt")
    bucket.trouble("GET", "/a.txt", 302, Location=f"{api.url}/jobs")
    with pytest.raises(ApiError) as caught:
        client.download(job_id, "a.txt")
    assert caught.value.status == 302


def test_all_files_of_a_job_go_to_a_folder_that_need_not_exist(
    api: ApiServer, bucket: ApiServer, run: Run, tmp_path: Path
) -> None:
    job_id = _job(api, "a.txt", "b.txt")
    _lead(api, bucket, job_id, "a.txt", b"abc")
    _lead(api, bucket, job_id, "b.txt", b"de")
    status, out, _ = run("download", job_id, "--to", tmp_path / "new" / "folder", "--json")
    assert status == 0
    assert [file["size"] for file in json.loads(out)["files"]] == [3, 2]
    assert (tmp_path / "new" / "folder" / "a.txt").read_bytes() == b"abc"
    assert (tmp_path / "new" / "folder" / "b.txt").read_bytes() == b"de"


def test_one_file_is_asked_for_by_its_name(
    api: ApiServer, bucket: ApiServer, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    job_id = _job(api, "a.txt", "b.txt")
    _lead(api, bucket, job_id, "b.txt", b"de")
    status, out, _ = run("download", job_id, "b.txt")
    assert (status, out) == (0, "b.txt  2 bytes\n")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_name_of_a_path_stays_in_the_folder(api: ApiServer, bucket: ApiServer, run: Run, tmp_path: Path) -> None:
    job_id = _job(api, "../../evil.txt")
    api.trouble("GET", f"/jobs/{job_id}/files/..%2F..%2Fevil.txt", 302, Location=f"{bucket.url}/x")
    bucket.trouble("GET", "/x", 200)
    assert run("download", job_id, "--to", tmp_path / "in")[0] == 0
    assert (tmp_path / "in" / "evil.txt").exists()


def test_a_file_that_is_not_there_and_a_job_without_any_are_told(api: ApiServer, run: Run, tmp_path: Path) -> None:
    job_id = _job(api)
    status, _, err = run("download", job_id, "--to", tmp_path)
    assert (status, err) == (1, f"Job {job_id} has no files.\n")
    status, _, err = run("download", job_id, "nope.txt", "--to", tmp_path)
    assert (status, "answered 404" in err) == (1, True)


def test_the_status_names_the_files(api: ApiServer, run: Run) -> None:
    _, out, _ = run("status", _job(api, "a.txt", "b.txt"))
    shown = [line.split() for line in out.partition("\nFiles\n")[2].splitlines()]
    assert shown == [
        ["name", "size", "type"],
        ["a.txt", "3", "bytes", "text/plain"],
        ["b.txt", "3", "bytes", "text/plain"],
    ]
