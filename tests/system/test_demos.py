"""demo.toml: its validation, the demo that it describes, and the commands for curl."""

import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from analysis_jobs_dev.cloud import curl, demo_file
from analysis_jobs_dev.cloud.demo import Demo, rows
from analysis_jobs_dev.cloud.demo_file import RUN, DemoFile
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import EXAMPLES, REPOSITORY, LocalCloud, known_examples
from analysis_jobs_dev.cloud.previews import excel_rows
from analysis_jobs_dev.cloud.screen import Screen

GOOD = """
shows = "A letter is read"

[[documents]]
file = "letter.txt"
input = "letter"

[submit]
route = "POST /letters/{run}/read"
input = { language = "en", note = "no $HOME, no `pwd`, a \\" and a {brace}" }
"""
DATABASE = """
[database]
before = "INSERT INTO letters VALUES ('{run}')"
rows = "SELECT 1"
"""


@pytest.fixture
def example(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes an example with this demo.toml and two documents."""

    def write(text: str, *, schema: bool = True) -> Path:
        (tmp_path / "documents").mkdir()
        (tmp_path / "documents" / "letter.txt").write_text("Dear all", "utf-8")
        (tmp_path / "documents" / "input.json").write_text('{"user": "reader-{run}"}', "utf-8")
        (tmp_path / "demo.toml").write_text(text, "utf-8")
        if schema:
            (tmp_path / "schema.sql").write_text("SELECT 1", "utf-8")
        return tmp_path

    return write


def test_a_demo_says_what_goes_in_and_what_is_shown(example: Callable[..., Path]) -> None:
    folder = example(GOOD + DATABASE)
    demo = demo_file.load(folder)
    assert demo_file.documents_of(folder, demo) == [folder / "documents" / "letter.txt"]
    assert (demo.is_json, demo.submit.route) == (False, "POST /letters/{run}/read")
    assert demo.database
    assert demo.database.rows == "SELECT 1"


def test_the_demo_that_the_documentation_shows_is_one() -> None:
    page = (REPOSITORY / "docs/write/local.md").read_text("utf-8")
    [shown] = re.findall(r"```toml\n(shows = .*?)```", page, re.DOTALL)
    [described] = re.findall(r"```toml\n(shows = .*?)```", demo_file.__doc__ or "", re.DOTALL)
    for text in (shown, described):
        demo = DemoFile.model_validate(tomllib.loads(text))
        assert demo.database
        assert RUN in demo.database.rows


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (lambda text: text.replace("shows", "show"), "show: Extra inputs are not permitted"),
        (lambda text: text.replace('"A letter is read"', '""'), "shows: String should have at least 1 character"),
        (lambda text: text.replace("[[documents]]", "[[document]]"), "documents: Field required"),
        (lambda text: text.replace("letter.txt", "other.txt"), "not in documents/: other.txt"),
        (lambda text: text.replace("letter.txt", "../demo.toml"), "documents.0.file: String should match pattern"),
        (lambda text: text.replace('input = "letter"', ""), "member of the input that names the document: letter.txt"),
        (lambda text: text.replace("POST /letters", "GET /letters"), "submit.route: String should match pattern"),
        (lambda text: text + 'subject = "x"', "subject would not be sent"),
        (lambda text: text.replace('route = "POST /letters/{run}/read"', 'api = "shop_url"'), "an api needs a route"),
        (lambda text: text + '[[documents]]\nfile = "input.json"', "that names the document: input.json"),
        (
            lambda text: text.replace("letter.txt", "input.json").replace('input = "letter"', ""),
            "a JSON document is the whole input",
        ),
        (lambda text: text + '[database]\nbefore = "SELECT 1"', "database.rows: Field required"),
        (lambda text: text + "[", "is not valid TOML"),
    ],
)
def test_a_demo_that_cannot_run_is_refused_with_the_place_and_the_reason(
    example: Callable[..., Path], spoil: Callable[[str], str], complaint: str
) -> None:
    with pytest.raises(CloudError, match=re.escape(complaint)) as refused:
        demo_file.load(example(spoil(GOOD)))
    assert "demo.toml" in str(refused.value)


def test_a_demo_of_a_database_needs_a_schema_and_an_example_a_demo(
    example: Callable[..., Path], tmp_path: Path
) -> None:
    with pytest.raises(CloudError, match=r"no schema\.sql beside it"):
        demo_file.load(example(GOOD + DATABASE, schema=False))
    with pytest.raises(CloudError, match=r"demo\.toml is missing"):
        demo_file.load(tmp_path / "documents")


def test_a_document_of_ones_own_takes_the_place_of_the_main_one(example: Callable[..., Path], tmp_path: Path) -> None:
    folder = example(GOOD)
    own = tmp_path / "own.txt"
    with pytest.raises(CloudError, match="There is no document"):
        Demo.of(folder, own, tmp_path)
    own.write_text("mine", "utf-8")
    assert Demo.of(folder, own, tmp_path).documents == [own]


def test_where_the_input_is_json_a_document_that_is_none_is_refused(
    example: Callable[..., Path], tmp_path: Path
) -> None:
    folder = example('shows = "x"\n[[documents]]\nfile = "input.json"\n')
    demo = demo_file.load(folder)
    assert demo.is_json
    assert demo_file.json_input(folder / "documents" / "input.json", "r1") == {"user": "reader-r1"}
    with pytest.raises(CloudError, match="is not valid JSON, which this example needs"):
        Demo.of(folder, folder / "documents" / "letter.txt", tmp_path)


def asked_of(script: str, folder: Path) -> list[list[str]]:
    """Run the commands with a curl and a psql that only record their arguments. Return the arguments."""
    calls = folder / "calls"
    tool = f"""#!/usr/bin/env python3
import json, sys
open({str(calls)!r}, "a").write(json.dumps(sys.argv) + "\\n")
said = {{"document": "1/x", "upload": {{"url": "u", "fields": {{}}}}, "job_id": "j", "status": "completed"}}
text = json.dumps(said)
open(sys.argv[sys.argv.index("-o") + 1], "w").write(text) if "-o" in sys.argv else print(text)
"""
    for name in ("curl", "psql"):
        (folder / name).write_text(tool, "utf-8")
        (folder / name).chmod(0o755)
    ran = subprocess.run(
        ["bash", "-euc", script],
        cwd=folder,
        env={
            "PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin",
            "API": "https://api",
            "SHOP_URL": "https://shop",
            "TOKEN": "t",
            "DATABASE_URL": "d",
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [json.loads(line) for line in calls.read_text("utf-8").splitlines()]


def body(call: list[str]) -> Any:
    return json.loads(call[call.index("-d") + 1])


def test_the_lines_for_curl_upload_submit_and_poll(example: Callable[..., Path]) -> None:
    folder = example(GOOD + DATABASE)
    demo = Demo.of(folder, None, folder)
    before, asked, sent, submitted, polled = asked_of(curl.lines("letters", demo.file, demo.documents), folder)
    assert re.fullmatch(r"INSERT INTO letters VALUES \('\d+'\)", before[-1])
    assert body(asked) == {"filename": "letter.txt", "content_type": "text/plain", "size": 8}
    assert sent[-1] == f"file=@{folder}/documents/letter.txt;type=text/plain"
    assert re.fullmatch(r"https://api/letters/\d+/read", submitted[2])
    assert body(submitted) == {
        "language": "en",
        "note": 'no $HOME, no `pwd`, a " and a {brace}',
        "letter": "1/x",
    }
    assert "https://api/jobs/j" in polled


def test_the_lines_for_curl_send_a_json_document_as_it_is_and_without_a_route_to_the_jobs(
    example: Callable[..., Path],
) -> None:
    folder = example('shows = "x"\n[[documents]]\nfile = "input.json"\n[submit]\nsubject = "users/{run}"\n')
    demo = Demo.of(folder, None, folder)
    submitted, _ = asked_of(curl.lines("letters", demo.file, demo.documents), folder)
    assert submitted[2] == "https://api/jobs"
    said = body(submitted)
    run = said["subject"].removeprefix("users/")
    assert run.isdecimal()
    assert said == {"analysis": "letters", "subject": f"users/{run}", "input": {"user": f"reader-{run}"}}


def test_the_lines_for_curl_submit_to_the_examples_own_api_and_poll_the_modules(example: Callable[..., Path]) -> None:
    text = 'shows = "x"\n[[documents]]\nfile = "input.json"\n[submit]\napi = "shop_url"\nroute = "POST /orders"\n'
    folder = example(text)
    demo = Demo.of(folder, None, folder)
    submitted, polled = asked_of(curl.lines("letters", demo.file, demo.documents), folder)
    assert submitted[2] == "https://shop/orders"
    assert "https://api/jobs/j" in polled


def test_an_example_whose_analysis_has_another_name_says_so(example: Callable[..., Path]) -> None:
    folder = example('shows = "x"\n[[documents]]\nfile = "input.json"\n[submit]\nanalysis = "reading"\n')
    demo = Demo.of(folder, None, folder)
    submitted, _ = asked_of(curl.lines("letters", demo.file, demo.documents), folder)
    assert body(submitted)["analysis"] == "reading"


def test_an_example_that_is_not_there_is_refused_with_those_that_are(tmp_path: Path) -> None:
    assert "rfp-analysis" in known_examples()
    with pytest.raises(CloudError, match=r"no example 'nope' that runs here\. There are: .*rfp-analysis"):
        LocalCloud(tmp_path, ("rfp-analysis", "nope"))


@pytest.mark.parametrize("name", known_examples())
def test_every_example_has_a_demo_that_can_be_read(name: str, tmp_path: Path) -> None:
    demo = Demo.of(EXAMPLES / name, None, tmp_path)
    syntax = subprocess.run(
        ["bash", "-n", "-c", curl.lines(name, demo.file, demo.documents)], capture_output=True, text=True, check=False
    )
    assert (syntax.returncode, syntax.stderr) == (0, "")


def test_a_nested_result_becomes_rows_with_paths() -> None:
    result = json.loads('{"summary": "s", "data": {"dates": [{"day": 1}], "names": ["a", "b"]}}')
    assert list(rows(result)) == [
        ("summary", "s"),
        ("data.dates.1.day", "1"),
        ("data.names", "a\nb"),
    ]


def test_the_first_rows_of_an_excel_file_are_shown_below_its_header(tmp_path: Path) -> None:
    from openpyxl import Workbook  # noqa: PLC0415 - half a second, for this test alone

    book = Workbook()
    sheet = book.active
    assert sheet
    sheet.title = "Schedule"
    for row in (["Schedule of C"], [], ["tag", "count"], ["C-1", 2], ["C-2", None], ["C-3", 1]):
        sheet.append(row)
    book.save(tmp_path / "schedule.xlsx")
    assert excel_rows(tmp_path / "schedule.xlsx", 2) == (
        "Schedule",
        [{"tag": "C-1", "count": "2"}, {"tag": "C-2", "count": ""}],
        1,
    )


def test_a_grid_shows_its_rows_below_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    Screen().grid([{"tag": "C-1"}, {"tag": "C-2", "count": "3"}], title="Devices")
    shown = capsys.readouterr().out
    assert all(text in shown for text in ("Devices", "tag", "count", "C-2", "3"))
    Screen().grid([], title="Devices")
    assert "Devices: nothing" in capsys.readouterr().out
    Screen(Console(width=30)).grid([{"a": "1", "b": "2", "c": "3", "d": "4"}], title="Devices")
    assert "Devices (without 2 more columns)" in capsys.readouterr().out
