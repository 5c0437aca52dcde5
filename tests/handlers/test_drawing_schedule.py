"""`drawing-schedule` in process: every value of the schedule, each stage, and invalid submissions."""

import io
import json
from collections.abc import Iterator
from typing import Any

import openpyxl
import pypdfium2
import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.stores.memory import MemoryJobStore
from drawing_schedule import drawing_schedule
from tests.handlers.api.site import opened
from tests.handlers.drawings import BRIEF, CLINIC, HARBOUR, HEADER, ROUTE, Integrator, listed
from tests.handlers.events import call
from tests.handlers.office import scanned_pdf


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


def test_a_second_drawing_has_its_own_schedule_and_a_complete_one_has_no_findings(integrator: Integrator) -> None:
    job = integrator.done(CLINIC)
    assert _sheet(integrator.file(job["job_id"], "excel"))[3:] == listed(CLINIC)
    assert (job["result"]["devices"], job["result"]["score"], job["result"]["findings"]) == (8, 100, [])


def test_a_scanned_drawing_is_read_by_ocr(integrator: Integrator) -> None:
    with pypdfium2.PdfDocument(HARBOUR) as drawing:
        scan = scanned_pdf(*(sheet.render(scale=300 / 72).to_pil() for sheet in drawing))
    job_id = integrator.submit(scan).json["job_id"]
    integrator.work()
    assert integrator.status(job_id)["status"] == "completed", integrator.status(job_id)["error"]
    # Only tag and device: OCR misreads the smallest print, the cables.
    assert [row[:2] for row in _sheet(integrator.file(job_id, "excel"))[3:]] == [row[:2] for row in listed(HARBOUR)]


@pytest.mark.parametrize(
    ("body", "field"),
    [({}, "drawing"), ({"drawing": "x"}, "drawing"), ({"mode": "fast"}, "mode"), ({"context": "../x"}, "context")],
)
def test_an_invalid_submission_is_refused_and_the_problem_names_the_field(
    integrator: Integrator, body: dict[str, str], field: str
) -> None:
    drawing = {} if field == "drawing" else {"drawing": integrator.upload(b"x", "drawing.pdf")}
    answer = call("POST", ROUTE, {**drawing, **body})
    assert (answer.status, answer.fields) == (422, [field])
