"""The stages of a drawing's way: context, schedule, excel_generation, judge.

Each is kept when it is finished: an attempt that follows on a crash, or on the end of an invocation, goes on after it.
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
JUDGE = "gemini-2.5-flash"  # another model than the one whose work it looks at
_CATEGORY = "security drawing"
_PROMPTS = Path(__file__).parent / "prompts"


@stage(needs=timedelta(minutes=3))
def context(job: Job["Drawing"]) -> Context:
    """Say what the project's document asks for; nothing where there is none, or none is wanted."""
    job.text(job.request.drawing)  # before anything is paid for: a drawing that cannot be read ends the job
    document = job.request.context
    if document is None or job.request.mode == "no_context":
        return Context()
    prompt = _prompt(job, "context", context_text=job.text(document))
    return job.ask(prompt, answer=Context, model_id=READER, max_tokens=4_096)


@stage(needs=timedelta(minutes=6))
def schedule(job: Job["Drawing"]) -> Schedule:
    """Read every device from the drawing: from its text, and from a picture of each sheet."""
    known: Context = job.output(context)
    drawing = job.request.drawing
    wanted = known.model_dump_json(exclude_defaults=True)
    prompt = _prompt(job, "schedule", drawing_text=job.text(drawing), context=wanted)
    sheets = job.page_images(drawing, dpi=150)
    return job.ask(prompt, answer=Schedule, attachments=sheets, model_id=READER, max_tokens=32_768)


@stage(needs=timedelta(minutes=1))
def excel_generation(job: Job["Drawing"]) -> dict[str, int]:
    """Write the workbook, and count what is in it."""
    found: Schedule = job.output(schedule)
    named = (found.drawing_number, found.drawing_title, f"revision {found.revision}" if found.revision else None)
    title = "Equipment schedule: " + ", ".join(filter(None, named))
    job.save_excel(SCHEDULE_FILE, found.devices, sheet="Schedule", title=title, columns=Device)
    return dict(Counter(device.device for device in found.devices))


@stage(needs=timedelta(minutes=3))
def judge(job: Job["Drawing"]) -> dict[str, object]:
    """Let a second model look at the schedule, beside the tags that were counted here; return the job's result."""
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
    """Return which tags are on the drawing and not in the schedule, and the other way round, as a text."""
    listed = {device.tag for device in found.devices}
    kinds = "|".join(sorted({re.escape(tag.split("-")[0]) for tag in listed})) or "(?!)"
    drawn = set(re.findall(rf"\b(?:{kinds})-\d+\b", drawing_text))
    findings = [f"{tag} is on the drawing and not in the schedule." for tag in sorted(drawn - listed)]
    findings += [f"{tag} is in the schedule and not on the drawing." for tag in sorted(listed - drawn)]
    score = round(100 * len(drawn & listed) / max(1, len(drawn | listed)))
    lines = [f"Score by count of tags: {score}", "", "# Findings", "", *(f"- {finding}" for finding in findings)]
    return "\n".join(lines if findings else lines[:1])
