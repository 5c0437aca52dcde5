"""Tests of the drawing schedule. They need neither an AWS account nor a model."""

import io
import json
import tomllib
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from analysis_jobs.testing import Jobs
from drawing_models import Evaluation
from drawing_schedule import drawing_schedule

DOCUMENTS = Path(__file__).parent / "documents"
HARBOUR = "harbour-point-level-1.pdf"
BRIEF = "harbour-point-brief.docx"
DEVICES = [
    {
        "tag": "D-101",
        "device": "Card reader",
        "location": "Entrance",
        "height_mm": 1100,
        "cable": "Cat 6",
        "panel": "A1",
    },
    {"tag": "D-102", "device": "Card reader", "location": "Stairs"},
    {"tag": "CAM-01", "device": "Dome camera 5 MP"},
]
SCHEDULE = {"drawing_title": "Level 1", "drawing_number": "SEC-1042-L1", "revision": "C", "devices": DEVICES}
JUDGED = Evaluation(score=95, findings=["CAM-07 is on the drawing and not in the schedule."])


@pytest.fixture(autouse=True)
def _answers(jobs: Jobs) -> None:
    jobs.answer("context", {"requirements": ["Every data hall door has a biometric reader."]})
    jobs.answer("schedule", SCHEDULE)
    jobs.answer("judge", JUDGED)


def rows(workbook: bytes) -> list[tuple[Any, ...]]:
    """Return the rows of the only sheet of a workbook."""
    [sheet] = openpyxl.load_workbook(io.BytesIO(workbook)).worksheets
    return list(sheet.iter_rows(values_only=True))


def test_a_drawing_becomes_a_workbook_and_an_evaluation(jobs: Jobs) -> None:
    done = jobs.run(drawing_schedule, {"drawing": HARBOUR, "context": BRIEF})
    assert done.stages == ("context", "schedule", "excel_generation", "judge")
    title, _, header, *devices = rows(done.files["schedule_v1.xlsx"])
    assert title[0] == "Equipment schedule: SEC-1042-L1, Level 1, revision C"
    assert header == ("Tag", "Device", "Location", "Height (mm)", "Cable", "Panel")
    assert devices[0] == ("D-101", "Card reader", "Entrance", 1100, "Cat 6", "A1")
    assert json.loads(done.files["evaluation.json"]) == JUDGED.model_dump()


def test_the_result_counts_the_devices_and_has_the_evaluation(jobs: Jobs) -> None:
    done = jobs.run(drawing_schedule, {"drawing": HARBOUR})
    assert done.result.by_device == {"Card reader": 2, "Dome camera 5 MP": 1}
    assert (done.result.devices, done.result.score, done.findings) == (3, 95, JUDGED.findings)
    assert done.result.files == sorted(done.files, reverse=True)


def test_the_reader_gets_the_text_of_the_drawing_and_a_picture_of_each_sheet(jobs: Jobs) -> None:
    done = jobs.run(drawing_schedule, {"drawing": HARBOUR, "context": BRIEF})
    context, schedule, judge = done.questions
    assert "biometric" in context.prompt
    assert "D-101 | Card reader" in schedule.prompt
    assert "Every data hall door has a biometric reader" in schedule.prompt
    [sheet] = schedule.attachments
    assert sheet.media_type in ("image/png", "image/jpeg")
    assert judge.model_id != schedule.model_id


def test_the_judge_gets_a_count_of_the_tags(jobs: Jobs) -> None:
    listed = tomllib.loads((DOCUMENTS / HARBOUR).with_suffix(".toml").read_text(encoding="utf-8"))
    assert listed
    done = jobs.run(drawing_schedule, {"drawing": HARBOUR})
    assert "D-103 is on the drawing and not in the schedule." in done.questions[-1].prompt


@pytest.mark.parametrize("given", [{"mode": "no_context", "context": BRIEF}, {}])
def test_no_context_is_read_without_a_brief_or_in_mode_no_context(jobs: Jobs, given: dict[str, str]) -> None:
    done = jobs.run(drawing_schedule, {"drawing": HARBOUR, **given})
    assert [question.stage for question in done.questions] == ["schedule", "judge"]
    assert "What the project asks for: {}" in done.questions[0].prompt


@pytest.mark.parametrize("stage", ["schedule", "judge"])
def test_a_crash_after_a_stage_leaves_one_complete_schedule(jobs: Jobs, stage: str) -> None:
    jobs.crash_after(stage)
    done = jobs.run(drawing_schedule, {"drawing": HARBOUR, "context": BRIEF})
    asked = [question.stage for question in done.questions]
    assert asked == ["context", "schedule", "judge"] + (["judge"] if stage == "judge" else [])
    assert (done.attempts, sorted(done.files)) == (2, ["evaluation.json", "schedule_v1.xlsx"])
