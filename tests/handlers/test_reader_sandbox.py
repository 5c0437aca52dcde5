"""The process that reads documents cannot read the worker's credentials and has no network.

Each attack is tried twice: without the confinement, where it succeeds, and with it. So a test cannot pass because the
attack itself is broken.
"""

import json
import platform
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.base.errors import Defer
from analysis_jobs.documents import child
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.documents.turns import Turns
from document_reader import sandbox
from document_reader.task import Limits, Task
from tests.handlers.events import logged
from tests.handlers.pdfs import REPOSITORY, pdf

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox uses Linux's system calls")

TASK = Task("look", "a.pdf", Limits(1, 1, 1))
# What code in the child could try. Each line of the answer is null for a success, or the name of the error.
_ATTACK = """
import ctypes, json, os, socket, sys
sys.path[:] = json.loads(sys.argv[1])
from document_reader.sandbox import confine
parent, port, confined = os.getppid(), {port}, {confined}
unconfined = confine() if confined else None
libc = ctypes.CDLL(None, use_errno=True)

def call(*arguments):
    if libc.syscall(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "")

def connect(family, kind, address):
    with socket.socket(family, kind) as made:
        made.connect(address)

attacks = {{
    "environ": lambda: open(f"/proc/{{parent}}/environ", "rb").read(),
    "memory": lambda: open(f"/proc/{{parent}}/mem", "rb").close(),
    "tcp": lambda: connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", port)),
    "udp": lambda: connect(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", port)),
    "netlink": lambda: connect(socket.AF_NETLINK, socket.SOCK_RAW, (0, 0)),
    "pair": lambda: socket.socketpair(),
    "kill": lambda: os.kill(parent, 0),
    "kill the group": lambda: os.kill(0, 0),
    "limit": lambda: __import__("resource").prlimit(parent, __import__("resource").RLIMIT_CORE),
    "fork": lambda: os._exit(0) if os.fork() == 0 else os.wait(),
    "abort": lambda: os.kill(os.getpid(), 0),
}}

def tried(attack):
    try:
        attack()
    except OSError as error:
        return type(error).__name__

print(json.dumps({{"unconfined": unconfined}} | {{name: tried(attack) for name, attack in attacks.items()}}))
print(json.dumps({{"done": True}}))
"""
# These are no attacks. They show that the filter refuses only what it should.
_HARMLESS = {"fork", "abort", "unconfined"}


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a server on this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def attack(monkeypatch: pytest.MonkeyPatch, port: int, *, confined: bool) -> dict[str, Any]:
    """Run the attacks in the child, started as for a document. Return the name of the error for each."""
    monkeypatch.setattr(child, "_PROGRAM", _ATTACK.format(port=port, confined=confined))
    [answer] = child.run(TASK, b"", lambda: None)
    return answer


def test_code_in_the_child_reaches_neither_the_worker_nor_the_network(
    monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    answer = attack(monkeypatch, port, confined=True)
    attacks = answer.keys() - _HARMLESS
    assert {name: answer[name] for name in attacks} == dict.fromkeys(attacks, "PermissionError")
    assert {answer[name] for name in _HARMLESS} == {None}


def test_the_attacks_succeed_without_the_confinement(monkeypatch: pytest.MonkeyPatch, port: int) -> None:
    monkeypatch.setattr(child, "_hide_memory", lambda: None)
    answer = attack(monkeypatch, port, confined=False)
    succeed = {"tcp", "udp", "netlink", "pair", "kill", "kill the group", "limit"}
    assert {name for name in succeed if answer[name] is not None} == set()


def test_the_worker_hides_its_environment_from_a_process_of_the_same_user() -> None:
    """On Lambda no process has capabilities. So this test gives up those of root first, where it has them."""
    program = f"""
import os, sys
sys.path.insert(0, {str(REPOSITORY / "handlers")!r})
import ctypes
from document_reader.sandbox import hide_memory

def readable():
    child = os.fork()
    if child == 0:
        try:
            open(f"/proc/{{os.getppid()}}/environ", "rb").read()
        except PermissionError:
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.wait()[1]) == 0

if os.getuid() == 0:
    os.setgroups([])
    os.setresgid(65534, 65534, 65534)
    os.setresuid(65534, 65534, 65534)
    ctypes.CDLL(None).prctl(4, 1, 0, 0, 0)  # a change of the user hides the memory too: show it again
before = readable()
hidden = hide_memory()
print(before, hidden, readable(), len(open("/proc/self/status").read()) > 0, len(os.listdir("/proc/self/fd")) > 0)
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["True", "True", "False", "True", "True"], "and it can still read its own status"


def test_the_environment_of_the_child_has_no_credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_LAMBDA_RUNTIME_API"):
        monkeypatch.setenv(name, "x")
    monkeypatch.setattr(child, "_PROGRAM", "import json, os; print(json.dumps({'names': sorted(os.environ)}))")
    monkeypatch.setattr(child, "_error_of_exit", lambda *_: StopIteration())
    answer = next(iter(child.run(TASK, b"", lambda: None)))
    assert set(answer["names"]) <= {"LC_CTYPE", "LD_LIBRARY_PATH", "MALLOC_ARENA_MAX", "OMP_THREAD_LIMIT"}


def test_a_document_is_read_where_the_system_cannot_confine_and_the_operator_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = "from document_reader import program, sandbox; program.confine = lambda: 'no seccomp'"
    program = child._PROGRAM.replace("main(sys", f"{opened}\nmain(sys")  # noqa: SLF001 - the program that it starts
    monkeypatch.setattr(child, "_PROGRAM", program)
    child._report_open.cache_clear()  # noqa: SLF001 - it reports once in a process
    with logged() as lines:
        assert DocumentReader().read(pdf(["typed"]), "a.pdf", lambda: None).text == "typed"
        assert DocumentReader().read(pdf(["again"]), "a.pdf", lambda: None).text == "again"
    assert [(line["event"], line["why"]) for line in lines] == [("document.not_confined", "no seccomp")]


@pytest.mark.parametrize("name", ["x86_64", "aarch64"])
def test_the_filter_refuses_by_the_numbers_of_each_architecture(name: str) -> None:
    machine = sandbox._MACHINES[name]  # noqa: SLF001 - the filter is a table and a pure function
    program = sandbox._program(machine, process=77)  # noqa: SLF001

    def allowed(number: int, argument: int = 0, audit: int = machine.audit) -> bool:
        return simulated(program, {0: number, 4: audit, 16: argument}) == 0x7FFF0000

    assert not any(map(allowed, machine.refused))
    assert [allowed(number, 77) for number in machine.own_process] == [True, True]
    assert not any(allowed(number, other) for number in machine.own_process for other in (0, 1, 76, 2**32 - 1))
    assert [allowed(machine.own_limits, process) for process in (0, 77, 78)] == [True, True, False]
    assert not allowed(1, audit=0x40000003), "32-bit programs have other numbers"
    named = {*machine.refused, *machine.own_process, machine.own_limits}
    assert all(allowed(number) for number in range(500) if number not in named)
    assert allowed(0x40000000 + 41) is (name == "aarch64"), "the x32 interface has a second number for each call"


def simulated(program: bytes, data: dict[int, int]) -> int:
    """Run a filter as the kernel does, and return its result."""
    lines = [
        (int.from_bytes(program[at : at + 2], "little"), program[at + 2], program[at + 3], program[at + 4 : at + 8])
        for at in range(0, len(program), 8)
    ]
    word = at = 0
    while True:
        code, if_true, if_false, constant = lines[at]
        value = int.from_bytes(constant, "little")
        at += 1
        match code:
            case 0x20:
                word = data[value]
            case 0x15:
                at += if_true if word == value else if_false
            case 0x35:
                at += if_true if word >= value else if_false
            case 0x06:
                return value


def test_the_numbers_of_this_machine_are_the_kernel_s() -> None:
    header = next((path for path in _HEADERS if path.exists()), None)
    if header is None:
        pytest.skip("the kernel's headers are not installed")
    lines = header.read_text("ascii").splitlines()
    numbers = {words[1].removeprefix("__NR_"): words[2] for line in lines if len(words := line.split()) == 3}
    machine = sandbox._MACHINES[platform.machine()]  # noqa: SLF001
    names = (
        "socket connect socketpair ptrace tkill rt_sigqueueinfo rt_tgsigqueueinfo process_vm_readv process_vm_writev "
        "pidfd_send_signal io_uring_setup pidfd_open pidfd_getfd kill tgkill prlimit64"
    )
    found = (*machine.refused, *machine.own_process, machine.own_limits)
    assert dict(zip(names.split(), found, strict=True)) == {name: int(numbers[name]) for name in names.split()}


_HEADERS = (
    Path(f"/usr/include/{platform.machine()}-linux-gnu/asm/unistd_64.h"),
    Path("/usr/include/asm/unistd_64.h"),
)


# The readers of an invocation share its memory


def test_a_reader_waits_for_its_turn() -> None:
    turns, order = Turns(1), []

    def second() -> None:
        with turns.taken(lambda: None):
            order.append("second")

    with turns.taken(lambda: None):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(timeout=0.3)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_a_job_that_waits_too_long_for_a_turn_goes_back_to_the_queue() -> None:
    turns = Turns(1, max_wait=timedelta(seconds=0.2))
    with turns.taken(lambda: None):
        with pytest.raises(Defer, match="busy with other documents") as raised, turns.taken(lambda: None):
            pass
        assert raised.value.code == "reader_busy"
    with turns.taken(lambda: None):
        pass


def test_a_job_that_must_stop_does_not_wait() -> None:
    class MustStopError(Exception):
        pass

    def check() -> None:
        raise MustStopError

    turns = Turns(1)
    with turns.taken(lambda: None), pytest.raises(MustStopError), turns.taken(check):
        pass


def test_a_failed_reading_frees_its_turn() -> None:
    reader = DocumentReader()
    for _ in range(2):
        with pytest.raises(Exception, match="has no bytes"):
            reader.read(b"", "a.pdf", lambda: None)
    assert json.dumps(reader.read(pdf(["typed"]), "a.pdf", lambda: None).text) == '"typed"'
