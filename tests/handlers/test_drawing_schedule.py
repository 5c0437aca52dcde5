"""`drawing-schedule` in process: the schedule value by value, what each stage does, and where an attempt resumes."""

import io
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import openpyxl
import pypdfium2
import pytest

from analysis_jobs import Retry
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.stores.memory import MemoryJobStore
from drawing_schedule import drawing_schedule
from drawing_stages import JUDGE, READER
from tests.handlers.api.site import opened
from tests.handlers.drawings import BRIEF, CLINIC, HARBOUR, HEADER, ROUTE, Integrator, listed
from tests.handlers.events import call
from tests.handlers.office import scanned_pdf
from tests.handlers.pdfs import pdf

STAGES = ["context", "schedule", "excel_generation", "judge"]


@pytest.fixture
def integrator(clock: ManualClock) -> Iterator[Integrator]:
    with opened(MemoryJobStore(), clock, drawing_schedule) as site:
        yield Integrator(site)


def _sheet(content: bytes) -> list[list[Any]]:
    [page] = openpyxl.load_workbook(io.BytesIO(content)).worksheets
    assert (page.title, page.freeze_panes) == ("Schedule", "A4")
    return [list(row) for row in page.iter_rows(values_only=True)]


def test_a_drawing_becomes_a_workbook_with_every_listed_device(integrator: Integrator) -> None:
    job = integrator.done(HARBOUR, brief=BRIEF.read_bytes())
    rows = _sheet(integrator.file(job["job_id"], "excel"))
    assert rows[0][0] == ("Equipment schedule: SEC-1042-L1, Level 1 - Access Control and CCTV, revision C")
    assert rows[2] == HEADER
    assert rows[3:] == listed(HARBOUR)
    assert len(rows[3:]) == 18


def test_the_result_counts_the_devices_and_names_the_files(integrator: Integrator) -> None:
    job = integrator.done(HARBOUR)
    assert job["result"] == {
        "drawing_number": "SEC-1042-L1",
        "revision": "C",
        "devices": 18,
        "by_device": {
            "Card reader": 3,
            "Card reader with PIN": 1,
            "Biometric reader": 2,
            "Request-to-exit button": 2,
            "Magnetic lock 600 kg": 2,
            "Dome camera 5 MP": 3,
            "Bullet camera 8 MP": 2,
            "PTZ camera 4 MP": 1,
            "Motion detector": 2,
        },
        "score": 95,
        "findings": ["CAM-07 is on the drawing and not in the schedule."],
        "files": ["schedule_v1.xlsx", "evaluation.json"],
    }
    assert sorted(job["files"]) == ["evaluation.json", "schedule_v1.xlsx"]
    assert json.loads(integrator.file(job["job_id"], "evaluation")) == {
        "score": 95,
        "findings": ["CAM-07 is on the drawing and not in the schedule."],
    }


def test_another_drawing_is_another_schedule_and_a_complete_one_has_no_findings(integrator: Integrator) -> None:
    job = integrator.done(CLINIC)
    assert _sheet(integrator.file(job["job_id"], "excel"))[3:] == listed(CLINIC)
    assert (job["result"]["devices"], job["result"]["score"], job["result"]["findings"]) == (8, 100, [])


def test_a_scanned_drawing_is_read_by_ocr(integrator: Integrator) -> None:
    with pypdfium2.PdfDocument(HARBOUR) as drawing:
        scan = scanned_pdf(*(sheet.render(scale=300 / 72).to_pil() for sheet in drawing))
    job_id = integrator.submit(scan).json["job_id"]
    integrator.work()
    assert integrator.status(job_id)["status"] == "completed", integrator.status(job_id)["error"]
    # Tag and device; the smallest print, of the cables, comes out wrong.
    assert [row[:2] for row in _sheet(integrator.file(job_id, "excel"))[3:]] == [row[:2] for row in listed(HARBOUR)]


def test_the_answer_to_a_submission_says_what_to_expect(integrator: Integrator) -> None:
    answer = integrator.submit(HARBOUR.read_bytes())
    assert answer.status == 202
    job_id = answer.json["job_id"]
    expected = {"status": "queued", "status_url": f"/jobs/{job_id}", "estimated_time_seconds": 240}
    assert answer.json | expected == answer.json
    assert call("GET", f"/status/{job_id}").json["status"] == "queued"


def test_everything_of_a_job_is_below_company_client_and_project(integrator: Integrator) -> None:
    job = integrator.done(HARBOUR)
    assert (job["client"], job["project"]) == ("harbour-point", "fit-out")
    kept = [key for key in integrator.site.artifacts.objects if key.startswith("jobs/")]
    folder = f"jobs/acme/harbour-point/fit-out/{job['job_id']}"
    assert all(key.startswith(f"{folder}/") for key in kept)
    assert f"{folder}/files/1/schedule_v1.xlsx" in kept
    assert f"{folder}/files/1/evaluation.json" in kept
    assert sum("/checkpoints/" in key for key in kept) == 3


def test_the_stages_run_in_their_order_with_their_models(integrator: Integrator) -> None:
    job = integrator.done(HARBOUR, brief=BRIEF.read_bytes())
    assert job["stages_completed"] == STAGES
    assert integrator.model.asked == ["Context", "Schedule", "Evaluation"]
    assert [question.model_id for question in integrator.model.questions] == [READER, READER, JUDGE]
    assert READER != JUDGE


def test_the_reader_sees_the_drawing_as_text_and_as_a_picture_of_each_sheet(integrator: Integrator) -> None:
    integrator.done(HARBOUR, brief=BRIEF.read_bytes())
    _, question, _ = integrator.model.questions
    assert "D-101 | Card reader" in question.prompt
    assert "Every data hall door has a biometric reader" in question.prompt, "what the brief asks for"
    [sheet] = question.attachments
    assert sheet.media_type in ("image/png", "image/jpeg")
    assert len(sheet.content) > 10_000


@pytest.mark.parametrize("mode", ["no_context", "full_analysis"])
def test_without_a_context_document_or_without_the_wish_for_one_none_is_read(integrator: Integrator, mode: str) -> None:
    brief = BRIEF.read_bytes() if mode == "no_context" else None
    job = integrator.done(HARBOUR, brief=brief, mode=mode)
    assert job["stages_completed"] == STAGES
    assert integrator.model.asked == ["Schedule", "Evaluation"]
    assert "What the project asks for: {}" in integrator.model.questions[0].prompt


# Resuming


@pytest.mark.parametrize(
    ("broken", "asked"),
    [
        ("Context", ["Context", "Context", "Schedule", "Evaluation"]),
        ("Schedule", ["Context", "Schedule", "Schedule", "Evaluation"]),
        ("Evaluation", ["Context", "Schedule", "Evaluation", "Evaluation"]),
    ],
)
def test_an_attempt_goes_on_at_the_stage_that_broke(integrator: Integrator, broken: str, asked: list[str]) -> None:
    integrator.model.broken = lambda question: (
        Retry("model_connection", "reset") if question.tool and question.tool.name == broken else None
    )
    job = integrator.done(HARBOUR, brief=BRIEF.read_bytes())
    assert (job["attempt"], integrator.model.asked) == (2, asked)
    assert _sheet(integrator.file(job["job_id"], "excel"))[3:] == listed(HARBOUR)


def test_near_the_end_of_an_invocation_the_job_goes_on_in_another_one(integrator: Integrator) -> None:
    clock = integrator.site.clock
    integrator.model.broken = lambda _: clock.advance(timedelta(seconds=50))
    job_id = integrator.submit(HARBOUR.read_bytes(), brief=BRIEF.read_bytes()).json["job_id"]
    integrator.work(time=timedelta(minutes=5))
    job = integrator.status(job_id)
    steps = [entry["transition"] for entry in job["history"]]
    assert (job["status"], job["attempt"]) == ("completed", 1)
    assert "continue" in steps
    assert integrator.model.asked == ["Context", "Schedule", "Evaluation"]


# What is refused


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (HARBOUR.read_bytes()[:2_000], "document_corrupt"),
        (b"", "document_empty"),
        (pdf(["secret"], password="hunter2"), "document_encrypted"),
    ],
    ids=["cut off", "empty", "encrypted"],
)
def test_a_drawing_that_cannot_be_read_fails_once_and_costs_no_model_call(
    integrator: Integrator, content: bytes, code: str
) -> None:
    job_id = integrator.submit(content, brief=BRIEF.read_bytes()).json["job_id"]
    integrator.work()
    job = integrator.status(job_id)
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", code, False)
    assert (job["attempt"], job["files"], integrator.model.questions) == (1, {}, [])


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "drawing"), ({"drawing": "x"}, "drawing"), ({"mode": "fast"}, "mode"), ({"context": "../x"}, "context")],
)
def test_a_submission_that_is_wrong_names_the_field(integrator: Integrator, body: dict[str, str], field: str) -> None:
    drawing = {} if field == "drawing" else {"drawing": integrator.upload(b"x", "drawing.pdf")}
    answer = call("POST", ROUTE, {**drawing, **body})
    assert (answer.status, answer.fields) == (422, [field])


def test_another_tenant_can_neither_see_nor_download(integrator: Integrator) -> None:
    job_id = integrator.done(HARBOUR)["job_id"]
    for path in (f"/status/{job_id}", f"/download/{job_id}/excel", f"/jobs/{job_id}/files/schedule_v1.xlsx"):
        assert call("GET", path, tenant="globex").status == 404
    assert call("GET", "/jobs", query={"client": "harbour-point"}, tenant="globex").json["jobs"] == []


def test_jobs_are_listed_by_status_by_client_and_by_date(integrator: Integrator) -> None:
    first = integrator.done(CLINIC)["job_id"]
    integrator.site.clock.advance(timedelta(days=1))
    second = integrator.submit(CLINIC.read_bytes(), route="/clients/other/projects/p/drawings").json["job_id"]
    moment = integrator.site.clock.now().isoformat()

    def ids(**query: str) -> list[str]:
        return [job["job_id"] for job in call("GET", "/jobs", query=query).json["jobs"]]

    assert ids() == [second, first]
    assert ids(status="completed", to=moment) == [first]
    assert ids(client="harbour-point") == [first]
    assert ids(**{"client": "other", "from": moment}) == [second]
    assert ids(**{"from": moment}) == [second]
