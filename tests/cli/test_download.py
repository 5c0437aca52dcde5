"""A download follows the link of the API without its token, and writes into the given folder."""

import json
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis_jobs.client import Client, Rejected
from tests.cli.api_server import ApiServer, serving

type Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def bucket() -> Iterator[ApiServer]:
    """Return another server, in place of S3."""
    with serving() as server:
        yield server


def _link(api: ApiServer, job_id: str, name: str, url: str) -> None:
    answer: tuple[int, dict[str, str], bytes] = (200, {}, json.dumps({"url": url}).encode())
    api.troubles["GET", f"/jobs/{job_id}/files/{name}"] = deque([answer])


def _serve_file(api: ApiServer, bucket: ApiServer, job_id: str, name: str, content: bytes) -> None:
    _link(api, job_id, name, f"{bucket.url}/{name}?X-Amz-Signature=s")
    bucket.trouble("GET", f"/{name}", 200)
    bucket.troubles["GET", f"/{name}"][-1] = (200, {}, content)


def _headers(request: tuple[str, dict[str, str], bytes]) -> dict[str, str]:
    return {name.lower(): value for name, value in request[1].items()}


def _job(api: ApiServer, *names: str) -> str:
    files = {name: {"size": 3, "content_type": "text/plain", "url": f"/x/{name}"} for name in names}
    return api.add("completed", files=files)


def test_a_download_follows_the_link_and_does_not_show_the_token_there(
    api: ApiServer, bucket: ApiServer, client: Client
) -> None:
    job_id = _job(api, "a.txt")
    _serve_file(api, bucket, job_id, "a.txt", b"abc")
    assert client.download(job_id, "a.txt") == b"abc"
    [request] = bucket.bodies
    assert request[0] == "/a.txt?X-Amz-Signature=s"
    assert "authorization" not in _headers(request)
    assert _headers(api.bodies[-1])["authorization"].startswith("Bearer ")


def test_a_redirect_of_the_bucket_is_not_followed(api: ApiServer, bucket: ApiServer, client: Client) -> None:
    job_id = _job(api, "a.txt")
    _link(api, job_id, "a.txt", f"{bucket.url}/a.txt")
    bucket.trouble("GET", "/a.txt", 302, Location=f"{api.url}/jobs")
    with pytest.raises(Rejected) as caught:
        client.download(job_id, "a.txt")
    assert caught.value.status == 302


def test_all_files_of_a_job_go_to_a_folder_that_need_not_exist(
    api: ApiServer, bucket: ApiServer, run: Run, tmp_path: Path
) -> None:
    job_id = _job(api, "a.txt", "b.txt")
    _serve_file(api, bucket, job_id, "a.txt", b"abc")
    _serve_file(api, bucket, job_id, "b.txt", b"de")
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
    _serve_file(api, bucket, job_id, "b.txt", b"de")
    status, out, _ = run("download", job_id, "b.txt")
    assert (status, out) == (0, "b.txt  2 bytes\n")
    assert [path.name for path in tmp_path.iterdir()] == ["b.txt"]


def test_a_name_of_a_path_stays_in_the_folder(api: ApiServer, bucket: ApiServer, run: Run, tmp_path: Path) -> None:
    job_id = _job(api, "../../evil.txt")
    _link(api, job_id, "..%2F..%2Fevil.txt", f"{bucket.url}/x")
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
