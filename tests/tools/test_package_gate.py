"""The gate of a package: each fault is planted, and the build names its file, its line and the fix."""

import struct
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from analysis_jobs_dev import places
from analysis_jobs_dev.packager import Manifest, PackageError, Sources
from analysis_jobs_dev.packager.imports import require_same_modules
from analysis_jobs_dev.packager.leftovers import kinds_of_secrets, leftovers
from analysis_jobs_dev.packager.natives import natives
from analysis_jobs_dev.packager.stubs import stubs
from analysis_jobs_dev.project import ProjectError, load

BuildProject = Callable[[], Manifest]
ANALYSIS = "from analysis_jobs import Analysis\nx = Analysis('x', request=A, result=B, stages=[read])\n"


def found(check: object, folder: Path, text: str, name: str = "letters.py") -> list[str]:
    file = folder / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return [str(each) for each in check({name: file})]  # type: ignore[operator]


# Stubs


@pytest.mark.parametrize(
    ("body", "what"),
    [
        ("pass", "does nothing"),
        ("...", "does nothing"),
        ('"""Reads."""', "does nothing"),
        ('"""Reads."""\n    # TODO: write it', "does nothing"),
        ("raise NotImplementedError", "only raises NotImplementedError"),
        ('raise NotImplementedError("later")', "only raises NotImplementedError"),
        ("return None", "returns the same for every job"),
        ("return Value(text='x')", "returns the same for every job"),
        ('return {"status": "completed", "score": 0.9}', "returns the same for every job"),
        ("score = 0.9\n    return Value(score=score)", "returns the same for every job"),
        ("print('todo')\n    return Value(text='x')", "returns the same for every job"),
        ("time.sleep(2)\n    return Value(text='x')", "returns the same for every job"),
        ("import time\n    return Value(text='x')", "returns the same for every job"),
        ("return Value(items=[Item(name='a'), Item(name='b')])", "returns the same for every job"),
    ],
)
@pytest.mark.parametrize("head", ["def read(job):", "def read(_job: Job[A]) -> B:"])
def test_a_stage_that_is_a_stub_is_found(head: str, body: str, what: str, tmp_path: Path) -> None:
    [line] = found(stubs, tmp_path, f"{head}\n    {body}\n{ANALYSIS}")
    assert line.startswith(f"letters.py:1: the stage read {what} (stub). Write it")


@pytest.mark.parametrize(
    "body",
    [
        "return Value(text=job.ask('?'))",
        "return summarise(job)",
        "return Value(text=job.request.text)",
        "return table()[0]",
        "return Value(read=open('x').read())",
        "return Value(at=now())",
        "raise Fail('x', 'y')",
        "for _ in range(3):\n        job.progress(1)\n    return Value(text='x')",
    ],
)
def test_a_stage_that_does_something_is_no_stub(body: str, tmp_path: Path) -> None:
    assert found(stubs, tmp_path, f"def read(job):\n    {body}\n{ANALYSIS}") == []


@pytest.mark.parametrize(
    "text",
    [
        "def helper():\n    pass\n",
        "def helper():\n    return 1\n",
        "class P(Protocol):\n    def f(self) -> int: raise NotImplementedError\n",
        "class B(ABC):\n    def f(self): raise NotImplementedError\n",
        "class B:\n    @abstractmethod\n    def f(self): raise NotImplementedError\n",
        "class Mockingbird: pass\n",
        "class Stubborn: pass\n",
        "def fakery(): pass\n",
    ],
)
def test_what_is_not_a_stage_may_be_short(text: str, tmp_path: Path) -> None:
    assert found(stubs, tmp_path, text) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def price(book):\n    raise NotImplementedError\n", "price only raises NotImplementedError"),
        ("class A:\n    async def f(self): raise NotImplementedError()\n", "f only raises NotImplementedError"),
        ("class FakeModel: pass\n", "FakeModel is by its name not the real thing"),
        ("class _MockClient: pass\n", "_MockClient is by its name"),
        ("def stub_answer(): return ask()\n", "stub_answer is by its name"),
        ("from a import b\n@analysis.stage\ndef read(job): ...\n", "the stage read does nothing"),
        ("def read(job): ...\nA(stages=[Stage(read, survives_deploys=True)])\n", "the stage read does nothing"),
    ],
)
def test_other_stubs_are_found(text: str, message: str, tmp_path: Path) -> None:
    [line] = found(stubs, tmp_path, text)
    assert message in line


# Leftovers


@pytest.mark.parametrize(
    "text",
    [
        'KEY = "AKIAIOSFODNN7EXAMPLE"',
        'aws_secret_access_key = "wJalrXUtnrFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"',
        'password = "hunter2xyz"',
        "-----BEGIN RSA PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----",
        'token = "ghp_0123456789abcdefghijABCDEFGHIJ012345"',
        'url = "postgresql://app:pa55word@db.example.com/books"',
        'k = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz0123456789"',
        'k = "AIzaSyA1234567890abcdefghijklmnopqrstuv"',
    ],
)
@pytest.mark.parametrize("name", ["letters.py", "data/settings.toml"])
def test_a_secret_is_found_with_its_line(text: str, name: str, tmp_path: Path) -> None:
    commented = f"# one\n# {text}\n" if name.endswith(".py") else f"a = 1\n{text}\n"
    [line] = found(leftovers, tmp_path, commented, name)
    assert line.startswith(f"{name}:2: this looks like a secret")
    assert "worker.secrets" in line
    assert "hunter2xyz" not in line, "the message does not repeat the secret"


@pytest.mark.parametrize(
    "text",
    [
        'login = job.secret("DATABASE_SECRET")',
        'password = os.environ["PASSWORD"]',
        "password: str = Field(repr=False)",
        'SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:db-AbCdEf"',
        'API_KEY_PARAMETER = "/books/api-key"',
        'sha = "9b74c9897bac770ffc029102a200c5de0123456789abcdef0123456789abcdef"',
        "token = next_token(page)",
    ],
)
def test_what_names_a_secret_is_none(text: str, tmp_path: Path) -> None:
    assert found(leftovers, tmp_path, f"{text}\n") == []


def test_threads_can_look_for_secrets_at_the_same_time() -> None:
    lines = ["password = 'hunter2xyz'", "x = 1"] * 20
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: kinds_of_secrets(lines), range(64)))
    assert found == [[{"Secret Keyword"}, set()] * 20] * 64


@pytest.mark.parametrize("call", ["breakpoint()", "session.set_trace()", "tools.post_mortem()"])
def test_a_debugger_is_found(call: str, tmp_path: Path) -> None:
    [line] = found(leftovers, tmp_path, f"def f():\n    {call}\n")
    assert line.startswith("letters.py:2: ")
    assert "waits for a debugger" in line


@pytest.mark.parametrize(
    "name", [".env", ".env.local", "a/id_rsa", "terraform.tfstate", "x.tfvars", "try.ipynb", ".git/config", "a.p12"]
)
def test_a_file_that_must_not_be_deployed_is_found(name: str, tmp_path: Path) -> None:
    [line] = found(leftovers, tmp_path, "", name)
    assert "such a file does not belong into a package" in line


def test_the_examples_and_the_template_are_clean() -> None:
    root = places.library().parent
    folders = [
        *(path.parent for path in sorted(root.glob("examples/*/pyproject.toml"))),
        root / "templates" / "project",
    ]
    assert len(folders) > 7
    for folder in folders:
        files = {path.name: path for path in folder.glob("*.py") if not path.name.startswith("test_")}
        assert list(stubs(files)) == []
        assert list(leftovers(files)) == []


# Native code


def elf(machine: int, bits: int = 2, text: bytes = b"") -> bytes:
    return struct.pack("<4sBB10xHH", b"\x7fELF", bits, 1, 3, machine) + text


def zipped(folder: Path, name: str, content: bytes) -> Path:
    package = folder / "p.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.writestr(name, content)
    return package


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.so", elf(62), "it is compiled for x86_64, and the package is for arm64"),
        ("a.so.1", elf(40), "compiled for ARM with 32 bits"),
        ("bin/tool", elf(62), "compiled for x86_64"),
        ("a.so", elf(183, bits=1), "a platform of 32 bits"),
        ("a.so", elf(243), "machine 243"),
        ("a.cpython-312-aarch64-linux-gnu.so", elf(183), "compiled for Python 3.12, and Lambda runs 3.13"),
        ("a.cpython-313-aarch64-linux-musl.so", elf(183), "needs musl"),
        ("a.so", elf(183, text=b"\0libc.musl-aarch64.so.1\0"), "needs musl"),
        ("a.so", elf(183, text=b"GLIBC_2.17\0GLIBC_2.38\0"), "needs glibc 2.38, and Lambda has 2.34"),
        ("a.so", b"\xcf\xfa\xed\xfe" + bytes(20), "native code for macOS"),
        ("a.dylib", b"\xcf\xfa\xed\xfe" + bytes(20), "native code for macOS"),
        ("a.pyd", b"MZ" + bytes(20), "native code for Windows"),
        ("a.so", b"hello", "named like native code, and is none"),
    ],
)
def test_native_code_that_lambda_cannot_load_is_found(name: str, content: bytes, message: str, tmp_path: Path) -> None:
    [problem] = natives(zipped(tmp_path, name, content), "arm64")
    assert (problem.file, message in problem.message) == (name, True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.so", elf(183)),
        ("a.cpython-313-aarch64-linux-gnu.so", elf(183, text=b"GLIBC_2.34\0")),
        ("a.abi3.so", elf(183)),
        ("a.txt", b"MZ is how it begins"),
        ("empty.so", b""),
    ],
)
def test_native_code_that_lambda_loads_is_in_order(name: str, content: bytes, tmp_path: Path) -> None:
    assert list(natives(zipped(tmp_path, name, content), "arm64")) == []


# The build


def test_the_build_names_all_problems_and_leaves_nothing(project: Sources, build_project: BuildProject) -> None:
    folder = project.project.folder
    (folder / "more.py").write_text("breakpoint()\nclass FakeModel: ...\n", encoding="utf-8")
    with pytest.raises(PackageError, match=r"must not be deployed") as caught:
        build_project()
    assert "more.py:1: breakpoint()" in str(caught.value)
    assert "more.py:2: FakeModel" in str(caught.value)


def allowing(folder: Path, entry: str) -> None:
    description = folder / "pyproject.toml"
    text = description.read_text("utf-8").replace(
        "[tool.analysis-jobs]\n", f"[tool.analysis-jobs]\nallow = [{entry}]\n"
    )
    description.write_text(text, "utf-8")


PROJECT = '[project]\nname = "letters"\nversion = "1"\n[tool.analysis-jobs]\nanalyses = ["letters"]\n'


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ('{ rule = "stub", file = "letters.py" }', r"allow\.0\.reason: Field required"),
        ('{ rule = "stub", file = "letters.py", reason = "ok" }', r"allow\.0\.reason: .*at least 10"),
        ('{ rule = "stubs", file = "letters.py", reason = "a good reason" }', r"allow\.0\.rule: .*'stub'"),
    ],
)
def test_an_exception_needs_a_rule_a_file_and_a_reason(entry: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT, "utf-8")
    (tmp_path / "letters.py").write_text("", "utf-8")
    allowing(tmp_path, entry)
    with pytest.raises(ProjectError, match=message):
        load(tmp_path)


def test_an_allowed_problem_does_not_stop_the_build_and_a_needless_exception_does(
    project: Sources, build_of: Callable[..., Manifest]
) -> None:
    folder = project.project.folder
    (folder / "more.py").write_text("class FakeLetters: ...\n", encoding="utf-8")
    allowing(folder, '{ rule = "stub", file = "more.py", reason = "a game of forged letters" }')
    assert build_of(load(folder)).files.count > 0
    (folder / "more.py").write_text("class Letters: ...\n", encoding="utf-8")
    with pytest.raises(PackageError, match="there is no such problem: remove the entry"):
        build_of(load(folder))


def test_an_import_that_only_one_architecture_has_is_refused(tmp_path: Path) -> None:
    packages = {}
    for name, files in (("arm64", ["letters.py"]), ("x86_64", ["letters.py", "fast/__init__.py", "quick.abi3.so"])):
        packages[name] = tmp_path / f"{name}.zip"
        with zipfile.ZipFile(packages[name], "w") as archive:
            for each in files:
                archive.writestr(each, "")
    source = tmp_path / "letters.py"
    source.write_text("import json\nimport quick\ndef f():\n    from fast.engine import run\n", encoding="utf-8")
    with pytest.raises(PackageError, match=r"arm64\.zip lacks fast, quick, which letters\.py imports"):
        require_same_modules(packages["x86_64"], packages["arm64"], {"letters.py": source})
    require_same_modules(packages["arm64"], packages["x86_64"], {"letters.py": source})


def test_a_zip_over_the_budget_of_the_project_is_refused(project: Sources, build_of: Callable[..., Manifest]) -> None:
    folder = project.project.folder
    description = folder / "pyproject.toml"
    text = description.read_text("utf-8").replace("[tool.analysis-jobs]\n", "[tool.analysis-jobs]\nsize_mb = 0.001\n")
    description.write_text(text, "utf-8")
    with pytest.raises(PackageError, match=r"size_mb allows 0\.001 MB"):
        build_of(load(folder))
