"""A document with three scanned pages, and a stand-in for the process that reads it.

Only `documents.child.run` is replaced. Everything that gets its pages is the shipped code.
"""

from collections import Counter
from collections.abc import Callable, Generator
from datetime import timedelta
from typing import Any

from pydantic import BaseModel

from analysis_jobs import Analysis, Document, Job
from analysis_jobs.authoring.analysis import stage
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.errors import Stopped
from document_reader.task import Task
from tests.handlers.builders import SECOND, Value

DOCUMENT = f"{'0' * 26}/scan.pdf"
TEXT = "page 1\fpage 2\fpage 3\fpage 4"
OCR_TAKES = 20 * SECOND
_CHECKED_EVERY = 5 * SECOND
_SOURCES = ("ocr", "text", "ocr", "ocr")


class Scan(BaseModel):
    """The input of the analysis."""

    document: Document


def read(job: Job[Scan]) -> dict[str, str]:
    return {"text": job.text(job.request.document)}


@stage(needs=30 * SECOND)
def judge(job: Job[Scan]) -> Value:
    return Value(text=job.ask(job.output(read)["text"]))


def scan_analysis(deadline: timedelta) -> Analysis[Any, Any]:
    """Return an analysis that reads the document in its first stage, and asks the model in its second."""
    return Analysis("scan", request=Scan, result=Value, stages=[read, judge], deadline=deadline)


class PageReader:
    """Answers as the reading process does. OCR takes `OCR_TAKES` for a page; a page with its own text takes no time.

    `begun` counts for each page how often OCR began to read it, without those times that the end of the invocation, or
    a cancel, broke off.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.begun: Counter[int] = Counter()

    def run(self, task: Task, _content: bytes, check: Callable[[], None]) -> Generator[dict[str, Any]]:
        """Replace `documents.child.run`."""
        yield {"kind": "pdf"}
        for number, source in enumerate(_SOURCES, 1):
            if number in task.skip:
                continue
            if source == "ocr":
                self._recognise(number, check)
            yield {"page": number, "text": f"page {number}", "source": source, "confidence": 0.9}

    def _recognise(self, number: int, check: Callable[[], None]) -> None:
        self.begun[number] += 1
        try:
            for _ in range(OCR_TAKES // _CHECKED_EVERY):
                check()
                self._clock.sleep(_CHECKED_EVERY)
        except Stopped:
            self.begun[number] -= 1
            raise
