"""Reads a security drawing: writes a schedule of its devices as a workbook, and lets a second model evaluate it."""

from datetime import timedelta
from typing import Literal

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Between, Canary, Document, Length
from drawing_stages import EVALUATION_FILE, SCHEDULE_FILE, context, excel_generation, judge, schedule


class Drawing(BaseModel):
    """The request: a drawing, and optionally a document with the project's requirements."""

    drawing: Document
    context: Document | None = None
    mode: Literal["full_analysis", "no_context"] = "full_analysis"


class Summary(BaseModel):
    """The result. The schedule itself is in the workbook."""

    drawing_number: str | None
    revision: str | None
    devices: int
    by_device: dict[str, int]
    score: int = Field(ge=0, le=100)
    findings: list[str]
    files: list[str]


drawing_schedule = Analysis(
    "drawing-schedule",
    request=Drawing,
    result=Summary,
    stages=[context, schedule, excel_generation, judge],
    estimated_time=timedelta(minutes=4),
    submit_route="POST /clients/{client}/projects/{project}/drawings",
    status_route="GET /status/{job_id}",
    download_route="GET /download/{job_id}/{file_type}",
    downloads={"excel": SCHEDULE_FILE, "evaluation": EVALUATION_FILE},
    canaries=[
        Canary(
            documents={"drawing": "documents/harbour-point-level-1.pdf"},
            expect={"devices": Between(low=1), "files": Length(low=2)},
            max_cost_usd=0.50,
        )
    ],
)
