"""The stages of the analysis: context, schedule, excel_generation, judge.

The result of each finished stage is stored. After a crash, or at the end of an invocation, the next attempt continues
with the first unfinished stage.
"""

import re
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from analysis_jobs import Job, Prompt, RenderedPrompt, stage
from drawing_models import Context, Device, Evaluation, Schedule

if TYPE_CHECKING:
    from drawing_schedule import Drawing

SCHEDULE_FILE = "schedule_v1.xlsx"
EVALUATION_FILE = "evaluation.json"
READER = "gemini-2.5-pro"
JUDGE = "gemini-2.5-flash"  # a different model than READER, to evaluate its work
_CATEGORY = "security drawing"
_PROMPTS = Path(__file__).parent / "prompts"


@stage(needs=timedelta(minutes=3))
def context(job: Job["Drawing"]) -> Context:
    """Extract the requirements from the project's document. Without a document, or with `no_context`, return none."""
    job.text(job.request.drawing)  # fail before the first model call if the drawing cannot be read
    document = job.request.context
    if document is None or job.request.mode == "no_context":
        return Context()
    prompt = _prompt(job, "context", context_text=job.text(document))
    return job.ask(prompt, answer=Context, model_id=READER, max_tokens=4_096)


@stage(needs=timedelta(minutes=6))
def schedule(job: Job["Drawing"]) -> Schedule:
    """Extract every device from the drawing's text and from a picture of each sheet."""
    known: Context = job.output(context)
    drawing = job.request.drawing
    wanted = known.model_dump_json(exclude_defaults=True)
    prompt = _prompt(job, "schedule", drawing_text=job.text(drawing), context=wanted)
    sheets = job.page_images(drawing, dpi=150)
    return job.ask(prompt, answer=Schedule, attachments=sheets, model_id=READER, max_tokens=32_768)


@stage(needs=timedelta(minutes=1))
def excel_generation(job: Job["Drawing"]) -> dict[str, int]:
    """Write the workbook, and count the devices of each kind."""
    found: Schedule = job.output(schedule)
    named = (found.drawing_number, found.drawing_title, f"revision {found.revision}" if found.revision else None)
    title = "Equipment schedule: " + ", ".join(filter(None, named))
    job.save_excel(SCHEDULE_FILE, found.devices, sheet="Schedule", title=title, columns=Device)
    return dict(Counter(device.device for device in found.devices))


@stage(needs=timedelta(minutes=3))
def judge(job: Job["Drawing"]) -> dict[str, object]:
    """Ask a second model to evaluate the schedule, with a comparison of the tags. Return the job's result."""
    found: Schedule = job.output(schedule)
    drawing_text = job.text(job.request.drawing)
    prompt = _prompt(
        job,
        "judge",
        drawing_text=drawing_text,
        schedule=found.model_dump_json(),
        count=_tag_count(found, drawing_text),
    )
    evaluation = job.ask(prompt, answer=Evaluation, model_id=JUDGE, max_tokens=8_192)
    job.save_json(EVALUATION_FILE, evaluation)
    return {
        "drawing_number": found.drawing_number,
        "revision": found.revision,
        "devices": len(found.devices),
        "by_device": job.output(excel_generation),
        "score": evaluation.score,
        "findings": evaluation.findings,
        "files": [SCHEDULE_FILE, EVALUATION_FILE],
    }


def _prompt(job: Job["Drawing"], name: str, **values: str) -> RenderedPrompt:
    default = Prompt.load(_PROMPTS / f"{name}.toml")
    return job.prompt(f"drawing_schedule/{name}", category=_CATEGORY, default=default, **values)


def _tag_count(found: Schedule, drawing_text: str) -> str:
    """Compare the tags on the drawing with those in the schedule. Return the differences as text."""
    listed = {device.tag for device in found.devices}
    kinds = "|".join(sorted({re.escape(tag.split("-")[0]) for tag in listed})) or "(?!)"
    drawn = set(re.findall(rf"\b(?:{kinds})-\d+\b", drawing_text))
    findings = [f"{tag} is on the drawing and not in the schedule." for tag in sorted(drawn - listed)]
    findings += [f"{tag} is in the schedule and not on the drawing." for tag in sorted(listed - drawn)]
    score = round(100 * len(drawn & listed) / max(1, len(drawn | listed)))
    lines = [f"Score by count of tags: {score}", "", "# Findings", "", *(f"- {finding}" for finding in findings)]
    return "\n".join(lines if findings else lines[:1])
