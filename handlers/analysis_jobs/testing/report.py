"""The report about a job that did not complete."""

import traceback
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import analysis_jobs
from analysis_jobs.authoring.analysis import Analysis
from analysis_jobs.jobs.record import JobFailure, JobRecord
from analysis_jobs.testing.questions import Asked
from analysis_jobs.testing.script import shortened

_MOST_QUESTIONS = 6
_LONGEST_TEXT = 200  # characters
_LIBRARY = Path(analysis_jobs.__file__).parent
# What to do about an error, by the beginning of its message or its code.
_HINTS = {
    "no secret": 'give the job its secret: jobs.secret("NAME", value), or jobs.database("NAME") for a PostgreSQL login',
    "no model": 'set the model of the stack: jobs.configure(model_id="…")',
    "document_not_found": "give the path of a file as the document, or the name that jobs.upload returned",
    "model_answer_invalid": "the scripted answer does not fit the model of `answer=`; the repair turn got it again",
}


def report(
    job: JobRecord,
    analysis: Analysis[Any, Any],
    questions: Sequence[Asked],
    failure: JobFailure,
    error: Exception | None,
) -> str:
    """Return the failure of a job, where its error was raised, its course and its last questions."""
    done = job.stages_completed
    rest = [stage.__name__ for stage in analysis.stages if stage.__name__ not in done]
    lines = [
        f"{analysis.name} {job.status}: {failure.code}: {failure.message}",
        "",
        *([f"    raised    {place}"] if (place := _place(error)) else []),
        f"    stages    {', '.join([*done, *(f'({name})' for name in rest)])}  (in brackets: not finished)",
        f"    attempts  {job.attempt} of {job.max_attempts}",
        f"    history   {', '.join(['submit', *(entry.transition for entry in job.history)])}",
    ]
    for (stage, prompt, answer), times in Counter(map(_shortened, questions[-_MOST_QUESTIONS:])).items():
        lines += [
            f"    question  in {stage}{f', {times} times' if times > 1 else ''}: {prompt}",
            f"    answer    {answer}",
        ]
    hints = [hint for sign, hint in _HINTS.items() if failure.code == sign or failure.message.startswith(sign)]
    return "\n".join([*lines, *(["", f"Hint: {hints[0]}"] if hints else [])])


def _shortened(asked: Asked) -> tuple[str, str, str]:
    answer = "none" if asked.answer is None else shortened(asked.answer, _LONGEST_TEXT)
    return asked.stage, shortened(asked.prompt, _LONGEST_TEXT), answer


def without_frames_of_library(error: Exception) -> Exception:
    """Return an error with a traceback that begins in the code of the analysis."""
    found = error.__traceback__
    while found is not None and _is_library(found):
        found = found.tb_next
    return error.with_traceback(found or error.__traceback__)


def _place(error: Exception | None) -> str:
    """Return the innermost line of the analysis in the traceback of an error."""
    frames = traceback.extract_tb(error.__traceback__) if error else ()
    own = [frame for frame in frames if not Path(frame.filename).is_relative_to(_LIBRARY)]
    return f"{own[-1].filename}:{own[-1].lineno}, in {own[-1].name}" if own else ""


def _is_library(found: TracebackType) -> bool:
    return Path(found.tb_frame.f_code.co_filename).is_relative_to(_LIBRARY)
