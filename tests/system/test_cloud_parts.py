"""The parts of the local cloud's runner, each tested alone and without the emulator."""

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from analysis_jobs.testing.processes import Child
from analysis_jobs_dev.cloud import ministack, packages, ports, state
from analysis_jobs_dev.cloud.certificates import certificates
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ministack import REGION
from analysis_jobs_dev.cloud.signals import stop_on_signals
from analysis_jobs_dev.cloud.stack import Progress, Stack
from analysis_jobs_dev.packager import Library, Manifest, Sources, Target
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.packager.manifest import describe
from analysis_jobs_dev.project import load
from tests.system.watching import until

PYTHON = sys.executable


def alive(process: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        stat = Path(f"/proc/{process}/stat").read_text("utf-8")
    except FileNotFoundError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@pytest.fixture
def child_with_a_child(tmp_path: Path) -> Iterator[tuple[Child, int, int]]:
    """Start a guarded process that ignores SIGTERM and has a child. Return it with both process ids."""
    script = (
        "import os, signal, subprocess, time; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print(os.getpid(), subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    )
    child = Child(
        [PYTHON, "-c", script],
        environment=os.environ,
        exit_code_file=tmp_path / "exit",
        grace_s=0.2,
    )
    process, grandchild = map(int, next(child.lines()).split())
    yield child, process, grandchild
    child.stop()


def test_stopping_a_child_ends_all_it_started_even_if_it_ignores_the_signal(
    child_with_a_child: tuple[Child, int, int], tmp_path: Path
) -> None:
    child, process, grandchild = child_with_a_child
    assert child.exit_code is None
    assert child.stop() == 128 + signal.SIGKILL
    assert not alive(process)
    until(lambda: not alive(grandchild))
    assert (tmp_path / "exit").read_text("utf-8").strip() == "137"


def test_children_end_in_order_when_their_parent_is_killed(tmp_path: Path) -> None:
    exit_code = tmp_path / "exit"
    script = f"""
import os, time
from pathlib import Path
from analysis_jobs.testing.processes import Child
child = "import os, signal, sys, time; signal.signal(15, lambda *_: sys.exit(0));"
child += "print(os.getpid(), flush=True); time.sleep(600)"
started = Child(["{PYTHON}", "-c", child], environment=os.environ, exit_code_file=Path("{exit_code}"), grace_s=60)
print(next(started.lines()), flush=True)
time.sleep(600)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen([PYTHON, "-c", script], stdout=subprocess.PIPE, env=environment) as parent:
        assert parent.stdout
        process = int(parent.stdout.readline())
        assert alive(process)
        parent.kill()
    until(lambda: not alive(process))
    until(exit_code.exists)
    assert exit_code.read_text("utf-8") == "0\n"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_unwinds_at_the_first_signal_and_ignores_the_next(number: signal.Signals) -> None:
    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.getsignal(each) for each in signals}
    try:
        stop_on_signals()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(number)
        for each in signals:
            signal.raise_signal(each)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def test_a_childs_exit_code_and_output_come_back(tmp_path: Path) -> None:
    with Child(
        ["sh", "-c", "echo one; echo two >&2; exit 3"],
        environment=os.environ,
        exit_code_file=tmp_path / "exit",
        grace_s=1,
    ) as child:
        assert sorted(child.lines()) == ["one", "two"]
        assert child.wait() == 3


def test_a_client_that_trusts_the_bundle_reaches_both_names_of_this_machine(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    assert made.key.stat().st_mode & 0o077 == 0
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.chain, made.key)
    client = ssl.create_default_context(cafile=made.bundle)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    for name in ("127.0.0.1", "localhost", "abc.execute-api.localhost"):
        here, there = socket.socketpair()
        with here, there:
            thread = threading.Thread(target=lambda end=there: _shake_hands(server, end))
            thread.start()
            with client.wrap_socket(here, server_hostname=name) as connection:
                assert connection.getpeercert()
            thread.join()


def test_a_certificate_for_another_host_is_refused_by_the_same_client(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(made.chain, made.key)
    client = ssl.create_default_context(cafile=made.bundle)
    here, there = socket.socketpair()
    with here, there:
        thread = threading.Thread(target=lambda: _shake_hands(server, there))
        thread.start()
        with pytest.raises(ssl.SSLCertVerificationError):
            client.wrap_socket(here, server_hostname="example.com")
        here.close()
        thread.join()


def _shake_hands(server: ssl.SSLContext, end: socket.socket) -> None:
    try:
        server.wrap_socket(end, server_side=True).close()
    except OSError:  # the client has refused the certificate
        end.close()


def test_certificates_are_kept_between_starts_and_made_again_where_one_is_missing(tmp_path: Path) -> None:
    first = certificates(tmp_path).chain.read_bytes()
    assert certificates(tmp_path).chain.read_bytes() == first
    (tmp_path / "key.pem").unlink()
    assert certificates(tmp_path).chain.read_bytes() != first


def kept_in(folder: Path, **changes: object) -> state.Kept:
    """Write the files that a clean stop leaves in a folder."""
    cloud_port, stand_in_port = ports.free_ports(2)
    kept = state.Kept("1.0", REGION, cloud_port, stand_in_port, applied="abc")
    kept = state.Kept(**{**vars(kept), **changes})
    kept.save(folder)
    (folder / state.TERRAFORM_STATE).write_text("{}", "utf-8")
    (folder / "ministack.exit").write_text("0\n", "utf-8")
    return kept


def test_what_a_clean_stop_left_is_used_again(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    assert state.load(tmp_path, "1.0") == (kept, "")


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda folder: (folder / "kept.json").unlink(), "no kept state"),
        (lambda folder: (folder / "kept.json").write_text('{"old": 1}'), "no kept state"),
        (lambda folder: kept_in(folder, ministack="0.9"), "the kept state is of 0.9"),
        (lambda folder: kept_in(folder, region="us-east-1"), "the kept state is of us-east-1"),
        (lambda folder: (folder / state.TERRAFORM_STATE).unlink(), "nothing was applied"),
        (lambda folder: (folder / "ministack.exit").unlink(), "killed before it could save"),
        (lambda folder: (folder / "ministack.exit").write_text("137\n"), "killed before it could"),
    ],
)
def test_what_cannot_be_used_again_is_refused_with_the_reason(spoil: object, reason: str, tmp_path: Path) -> None:
    assert callable(spoil)
    kept_in(tmp_path)
    spoil(tmp_path)
    found, why = state.load(tmp_path, "1.0")
    assert found is None
    assert reason in why


def test_a_taken_port_means_a_fresh_start_on_others(tmp_path: Path) -> None:
    kept = kept_in(tmp_path)
    with socket.create_server((ports.LOOPBACK, kept.cloud_port)):
        found, why = state.load(tmp_path, "1.0")
        assert found is None
        assert f"port {kept.cloud_port}" in why
        fresh = state.afresh(tmp_path, "1.0")
    assert fresh.cloud_port != kept.cloud_port
    assert fresh.applied == ""


def test_a_taken_port_of_the_database_means_a_fresh_start_too(tmp_path: Path) -> None:
    [port] = ports.free_ports(1)
    kept_in(tmp_path, database_port=port)
    assert state.load(tmp_path, "1.0")[1] == ""
    with socket.create_server((ports.LOOPBACK, port)):
        assert f"port {port}" in state.load(tmp_path, "1.0")[1]
        assert state.afresh(tmp_path, "1.0").database_port == 0


def test_a_package_is_built_again_only_when_its_sources_have_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = '[project]\nname = "poems"\n[tool.analysis-jobs]\nanalyses = ["poem"]\n'
    for path, text in {"handlers/api.py": "", "p/poem.py": "", "lock.txt": "", "p/pyproject.toml": described}.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text, "utf-8")
    handlers, lock = tmp_path / "handlers", tmp_path / "lock.txt"
    what = Sources(load(tmp_path / "p"), Library(handlers, handlers, lock, tmp_path, "0.1.0", packages=()))
    builds: list[Manifest] = []

    def build(_what: Sources, targets: list[Target], *, out: Path) -> list[Manifest]:
        out.mkdir(exist_ok=True)
        package = out / f"poems-{targets[0].name}.zip"
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("api.py", (handlers / "api.py").read_bytes())
        builds.append(describe(package, targets[0].name, what, Declarations([], [], [])))
        builds[-1].write(out)
        return builds[-1:]

    monkeypatch.setattr(packages, "sources", lambda _project: what)
    monkeypatch.setattr(packages, "example", lambda _name: what.project)
    monkeypatch.setattr(packages, "build", build)
    first = packages.packages(("poems",), tmp_path / "out")
    assert packages.packages(("poems",), tmp_path / "out") == first
    assert len(builds) == 1
    (handlers / "api.py").write_text("handler = None", "utf-8")
    assert packages.packages(("poems",), tmp_path / "out") != first
    lock.write_text("six==1.17.0", "utf-8")
    packages.packages(("poems",), tmp_path / "out")
    assert len(builds) == 3


def test_an_example_without_a_database_has_no_rows() -> None:
    connection = Connection("rfp-analysis", "", "", "", "", {})
    with pytest.raises(CloudError, match="rfp-analysis has no database"):
        connection.rows("SELECT 1")


def test_a_fresh_start_empties_the_folder_and_keeps_its_ports(tmp_path: Path) -> None:
    kept = kept_in(tmp_path, ministack="0.9")
    (tmp_path / "state").mkdir()
    (tmp_path / "certificates").mkdir()
    fresh = state.afresh(tmp_path, "1.0")
    assert (fresh.cloud_port, fresh.stand_in_port) == (kept.cloud_port, kept.stand_in_port)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["certificates", "kept.json"]


def test_the_fingerprint_follows_the_terraform_files_and_the_variables_only(tmp_path: Path) -> None:
    (tmp_path / "main.tf").write_text("a", "utf-8")
    first = state.fingerprint([tmp_path], {"package": "1"})
    (tmp_path / "README.md").write_text("words", "utf-8")
    assert state.fingerprint([tmp_path], {"package": "1"}) == first
    assert state.fingerprint([tmp_path], {"package": "2"}) != first
    (tmp_path / "main.tf").write_text("b", "utf-8")
    assert state.fingerprint([tmp_path], {"package": "1"}) != first


def test_a_second_process_is_refused_the_folder_and_told_who_has_it(tmp_path: Path) -> None:
    assert state.holder(tmp_path) is None
    with (
        state.locked(tmp_path),
        pytest.raises(CloudError, match=rf"process {os.getpid()}\)"),
        state.locked(tmp_path),
    ):
        pytest.fail("two at a time")
    assert state.holder(tmp_path) is None
    with state.locked(tmp_path):
        assert state.holder(tmp_path) == os.getpid()


def test_a_functions_log_is_taken_whole_however_slowly_it_comes() -> None:
    script = """
import importlib.util, os, queue, sys, threading, time, types
spec = importlib.util.spec_from_file_location("serve", sys.argv[1])
serve = importlib.util.module_from_spec(spec)
spec.loader.exec_module(serve)
reading, writing = os.pipe()
lines, pipe = queue.Queue(), os.fdopen(reading, buffering=1)
worker = types.SimpleNamespace(_stderr_queue=lines, _proc=types.SimpleNamespace(stderr=pipe))
def read():
    time.sleep(0.3)
    for line in pipe:
        time.sleep(0.01)
        lines.put(line.rstrip())
threading.Thread(target=read, daemon=True).start()
os.write(writing, b"one\\ntwo\\nthree\\n")
print(serve.whole_log(worker).split(), serve.whole_log(worker) == "")
"""
    python = interpreter()
    ran = subprocess.run([python, "-I", "-c", script, ministack.SERVE], capture_output=True, text=True, check=False)
    assert (ran.stdout.strip(), ran.returncode) == ("['one', 'two', 'three'] True", 0), ran.stderr


def test_progress_follows_terraforms_own_events() -> None:
    progress = Progress()
    queue = {"hook": {"resource": {"addr": "module.queue.aws_sqs_queue.this"}, "action": "create"}}
    for event in (
        {"type": "planned_change", "change": {"action": "create"}},
        {"type": "planned_change", "change": {"action": "read"}},
        {"type": "planned_change", "change": {"action": "replace"}},
        {"type": "apply_start", **queue},
    ):
        progress.take(event)
    assert str(progress) == "0 of 3, queue.aws_sqs_queue.this"
    progress.take({"type": "apply_complete", **queue})
    assert str(progress) == "1 of 3"


@pytest.fixture
def fake_terraform(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Stack]:
    """Return a function that makes a stack with a shell script in place of Terraform."""

    def make(script: str) -> Stack:
        program = tmp_path / "bin" / "terraform"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\n{script}\n", "utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        return Stack(tmp_path, tmp_path / "state", {"AWS_ENDPOINT_URL": "https://here"}, {"name": "x"})

    return make


def test_terraform_is_kept_away_from_the_persons_own_account(
    fake_terraform: Callable[[str], Stack], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL_S3"):
        monkeypatch.setenv(name, "theirs")
    stack = fake_terraform(f"env > {tmp_path}/env; echo '{{}}'")
    assert stack.outputs() == {}
    seen = [line for line in (tmp_path / "env").read_text("utf-8").splitlines() if line.startswith("AWS_")]
    assert seen == ["AWS_ENDPOINT_URL=https://here"]


def test_what_terraform_complains_of_is_what_the_person_reads(fake_terraform: Callable[[str], Stack]) -> None:
    diagnostic = {
        "severity": "error",
        "summary": "No such queue",
        "detail": "It is gone.",
        "address": "aws_sqs_queue.a",
    }
    line = json.dumps({"type": "diagnostic", "diagnostic": diagnostic})
    stack = fake_terraform(f"test $1 = init || {{ echo '{line}'; echo plugin crashed; exit 1; }}")
    with pytest.raises(CloudError) as failure:
        stack.apply()
    assert str(failure.value) == (
        "terraform apply failed:\naws_sqs_queue.a\nNo such queue\nIt is gone.\n\nplugin crashed"
    )
