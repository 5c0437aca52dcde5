"""The command line finds mistakes early, and says how to correct them."""

import base64
import json
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
import typer
from pydantic import BaseModel

from analysis_jobs import Analysis, Job
from analysis_jobs.api.openapi import document
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.cli.analyses import names_in
from analysis_jobs.cli.proxies import proxy_of
from analysis_jobs.cli.reach import NotReachableError, require_reachable
from analysis_jobs_dev import commands, places
from tests.cli.api_server import ApiServer
from tests.handlers.builders import some_settings

Run = Callable[..., tuple[int, str, str]]


class Text(BaseModel):
    text: str


def shorten(job: Job[Text]) -> Text:
    return job.request


def token(**claims: object) -> str:
    return f"e30.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.x"


@contextmanager
def tls_server(certificate: trustme.LeafCert) -> Iterator[str]:
    """Serve TLS handshakes, and yield the URL."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    listening = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            try:
                context.wrap_socket(connection, server_side=True).close()
            except OSError:
                connection.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()
        thread.join()


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("api.example.com", "give one such as https://"),
        ("https://", "give one such as https://"),
        ("ftp://127.0.0.1", "give one such as https://"),
        ("http://127.0.0.1:99999", "give one such as https://"),
        ("http://127.0.0.1:1", r"Nothing answers at 127\.0\.0\.1:1: check the URL"),
        ("http://..", "There is no host"),
    ],
)
def test_a_wrong_address_is_named(url: str, hint: str) -> None:
    with pytest.raises(NotReachableError, match=hint):
        require_reachable(url, limit_s=60)


def test_a_name_that_nobody_knows_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(NotReachableError, match=r"There is no host api\.example\.com: check the URL"):
        require_reachable("https://api.example.com", limit_s=60)


def test_a_host_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even if the search for its address hangs, which has no time limit of its own."""
    released = threading.Event()

    def hang(*_: object, **__: object) -> Any:
        released.wait(60)
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(NotReachableError, match=r"did not answer within 0\.1 s: check the URL .* VPN"):
        require_reachable("https://api.example.com", limit_s=0.1)
    released.set()


def test_a_certificate_must_be_of_a_known_authority_and_of_the_host(tmp_path: Path) -> None:
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    with tls_server(authority.issue_cert("127.0.0.1")) as url:
        require_reachable(url, bundle, limit_s=60)
        with pytest.raises(NotReachableError, match=r"is not trusted .*: name its CA certificates with --ca-bundle"):
            require_reachable(url, limit_s=60)
    with (
        tls_server(authority.issue_cert("other.example.com")) as url,
        pytest.raises(NotReachableError, match=r"is not trusted .*: check the URL"),
    ):
        require_reachable(url, bundle, limit_s=60)


def test_a_server_without_tls_is_told_apart_from_a_bad_certificate(api: ApiServer) -> None:
    with pytest.raises(NotReachableError, match="does not speak TLS"):
        require_reachable(api.url.replace("http:", "https:"), limit_s=60)


def test_a_bundle_without_certificates_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("no certificate", encoding="utf-8")
    with pytest.raises(NotReachableError, match=r"ca\.pem is not a PEM file of CA certificates"):
        require_reachable("https://127.0.0.1:1", tmp_path / "ca.pem")


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


def test_with_a_proxy_the_proxy_is_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as proxy:
        monkeypatch.setenv("https_proxy", f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        require_reachable("https://api.example.com", limit_s=60)
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    with pytest.raises(NotReachableError, match=r"127\.0\.0\.1, the proxy for api\.example\.com,:1"):
        require_reachable("https://api.example.com", limit_s=60)


@pytest.mark.usefixtures("api")
def test_an_unreachable_api_ends_a_command_before_any_retry(run: Run, slept: list[float]) -> None:
    status, out, err = run("list", "--url", "http://127.0.0.1:1")
    assert (status, out, slept) == (1, "", [])
    assert err.startswith("Nothing answers at 127.0.0.1:1")


@pytest.mark.parametrize(("status", "hint"), [(401, "The token is the value of"), (403, "Check that the tenant")])
def test_a_refused_token_gets_a_hint(api: ApiServer, run: Run, status: int, hint: str) -> None:
    api.trouble("GET", "/jobs", status)
    code, _, err = run("list")
    assert (code, f"answered {status}" in err) == (1, True)
    assert f"{hint} " in err
    assert "ANALYSIS_JOBS_TOKEN" in err


def test_an_expired_token_is_explained_after_the_refusal(
    api: ApiServer, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANALYSIS_JOBS_TOKEN", token(tenant="acme", exp=1_700_000_000))
    status, _, err = run("list")
    assert (status, api.asked("GET", "/jobs")) == (1, 1)
    assert err.splitlines() == [
        f"GET {api.url}/jobs answered 401: Unauthorized: the token expired at 2023-11-14T22:13:20Z; get a new one",
        "The token is the value of ANALYSIS_JOBS_TOKEN.",
    ]
    status, out, err = run("cancel", api.add("queued"), api.add("queued"))
    assert (status, out) == (1, "")
    assert err.count("answered 401") == 1, "the second job is not tried with the same token"
    assert "expired" in err


def test_a_mistyped_analysis_is_refused_before_the_upload(api: ApiServer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "rfp.pdf").write_bytes(b"%PDF")
    status, _, err = run("submit", "rpf-analysis", "--document", tmp_path / "rfp.pdf")
    assert (status, api.calls) == (1, [("GET", "/openapi.json")])
    assert err == (
        "There is no analysis 'rpf-analysis'. Did you mean 'rfp-analysis'? "
        "This API has profile-interpretation, rfp-analysis.\n"
    )


def test_an_api_that_does_not_show_its_document_is_believed(api: ApiServer, run: Run, tmp_path: Path) -> None:
    (tmp_path / "rfp.pdf").write_bytes(b"%PDF")
    api.trouble("GET", "/openapi.json", 404)
    assert run("submit", "anything", "--document", tmp_path / "rfp.pdf")[0] == 0


@pytest.mark.parametrize("names", [["letters"], ["invoices", "letters"]])
def test_the_analyses_are_read_from_the_document_of_the_api(names: list[str]) -> None:
    analyses = Analyses([Analysis(name, request=Text, result=Text, stages=[shorten]) for name in names])
    assert names_in(document(analyses, some_settings())) == names


@pytest.mark.parametrize("given", [None, [], {}, {"paths": {}}, {"paths": {"/jobs": {"post": {"requestBody": []}}}}])
def test_another_document_has_no_analyses(given: object) -> None:
    assert names_in(given) == []


def test_the_version_and_the_commit_are_shown(run: Run) -> None:
    status, out, _ = run("--version")
    assert (status, out.startswith(f"analysis-jobs {places.version()} (commit ")) == (0, True)
    assert json.loads(run("--json", "--version")[1]) == {"version": places.version(), "commit": places.commit()}


def test_without_the_extra_the_way_to_install_it_is_shown() -> None:
    code = "import sys; sys.modules['typer'] = None; from analysis_jobs.cli.__main__ import main; sys.exit(main())"
    said = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": "handlers"}, capture_output=True, text=True, check=False
    )
    assert (said.returncode, said.stderr.count("pip install 'analysis-jobs[cli]'")) == (2, 1)


def test_a_command_for_developers_names_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands.unavailable() == ""
    assert "uv tool install --python 3.13 'analysis-jobs[dev]'" in commands.unavailable((3, 12))
    monkeypatch.setattr(commands, "_NEEDED", ("json", "no_such_module"))
    assert commands.unavailable() == "This command needs no_such_module: pip install 'analysis-jobs[dev]'"


def test_a_command_that_cannot_run_says_so_whatever_its_arguments(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(commands, "unavailable", lambda: "This command needs uv: pip install 'analysis-jobs[dev]'")
    app = typer.Typer()
    app.callback()(lambda: None)
    commands.register(app)
    with pytest.raises(SystemExit) as ended:
        app(args=["package", "project", "--out", "dist", "--anything"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "This command needs uv: pip install 'analysis-jobs[dev]'\n"
