"""A scanned document that takes longer than one invocation: each page that OCR has read is a checkpoint."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from PIL import Image

from analysis_jobs import Job
from analysis_jobs.authoring import checkpoints
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import Reading, upload_key
from analysis_jobs.documents.reader import DocumentReader
from analysis_jobs.jobs.record import JobRecord
from analysis_jobs.jobs.transitions import Status
from tests.handlers.attempts import BREAK, TIME, run, steps
from tests.handlers.builders import MINUTE, SECOND, START, Book, Shop, Value
from tests.handlers.formats import mail
from tests.handlers.office import scanned_pdf
from tests.handlers.pdfs import pdf

DOCUMENT = f"{new_id(START)}/scan.pdf"
MAIL = f"{new_id(START)}/mail.eml"


@dataclass
class Engine:
    """An OCR engine outside of the child process. It takes time by the clock, and tells the pictures apart."""

    step: Callable[[], None] = lambda: None
    fails_at: set[int] = field(default_factory=set)
    seen: list[int] = field(default_factory=list)

    def recognise(self, picture: bytes) -> tuple[str, float]:
        number = len(self.seen)
        self.seen.append(hash(picture))
        self.step()
        if number in self.fails_at:
            raise BREAK.with_traceback(None)
        return f"words {number}", 0.9


def scan(pages: int) -> bytes:
    """Return a PDF of small pictures, each of another size."""
    return scanned_pdf(*(Image.new("L", (40 + number % 20, 40 + number // 20), 200) for number in range(pages)))


def reading_shop(
    engine: Engine, content: bytes, document: str = DOCUMENT, *, then: Callable[[Reading], None] | None = None
) -> Shop:
    def read(job: Job[Book]) -> Value:
        reading = job.read(document)
        if then:
            then(reading)
        return Value(text=" | ".join(page.text for page in reading.pages))

    shop = Shop([read], documents=DocumentReader(ocr=engine))
    shop.artifacts.write(upload_key("acme", document), content, "application/pdf")
    return shop


def result_of(job: JobRecord) -> list[str]:
    assert job.result
    assert job.result.text
    return job.result.text.removeprefix('{"text":"').partition('"')[0].split(" | ")


def test_300_scanned_pages_end_in_one_attempt_and_each_page_is_read_once() -> None:
    engine = Engine()
    shop = reading_shop(engine, scan(300))
    engine.step = lambda: shop.clock.step(15 * SECOND)
    job = run(shop, time=TIME, max_attempts=1)
    assert (job.status, job.attempt) == (Status.COMPLETED, 1)
    assert len(result_of(job)) == 300
    assert len(set(result_of(job))) == 300, "no page stands for another one"
    assert steps(job).count("continue") >= 7, "300 pages of 15 s take 75 minutes, and an invocation has 10"
    again = sum(count - 1 for count in Counter(engine.seen).values())
    assert again <= steps(job).count("continue"), "at most the page at the end of an invocation is read again"


def test_pages_are_not_read_again_after_an_error_in_any_of_them() -> None:
    engine = Engine(fails_at={2, 5})
    job = run(reading_shop(engine, scan(6)))
    assert (job.status, job.attempt) == (Status.COMPLETED, 3)
    assert len(engine.seen) == 8, "two of six pages were read twice"
    assert Counter(Counter(engine.seen).values()) == {1: 4, 2: 2}


def test_a_stage_that_fails_after_reading_does_not_read_again() -> None:
    engine, failures = Engine(), [BREAK]

    def fail_once(_: Reading) -> None:
        if failures:
            raise failures.pop()

    job = run(reading_shop(engine, scan(4), then=fail_once))
    assert (job.status, job.attempt, len(engine.seen)) == (Status.COMPLETED, 2, 4)
    assert result_of(job) == [f"words {number}" for number in range(4)]


def test_another_content_under_the_same_name_is_read_anew() -> None:
    engine = Engine()
    shops: list[Shop] = []

    def replace_and_fail(reading: Reading) -> None:
        if len(reading.pages) == 3:
            shops[0].artifacts.write(upload_key("acme", DOCUMENT), scan(2), "application/pdf")
            raise BREAK.with_traceback(None)

    shops.append(reading_shop(engine, scan(3), then=replace_and_fail))
    job = run(shops[0])
    assert (len(engine.seen), len(result_of(job))) == (5, 2)


def test_pages_with_their_own_text_are_no_checkpoints() -> None:
    shop = reading_shop(Engine(), pdf(["one"], ["two"]))
    job = run(shop)
    assert result_of(job) == ["one", "two"]
    assert [key for key in shop.artifacts.objects if "checkpoints" in key] == []


def test_the_pages_of_an_email_s_attachments_continue_too() -> None:
    engine = Engine(fails_at={1, 4})
    attachments = {"a.pdf": scan(2), "b.pdf": pdf(["typed"]), "c.pdf": scan(3)}
    job = run(reading_shop(engine, mail("Hello", attachments).as_bytes(), MAIL))
    assert len(engine.seen) == 7
    assert [text.partition("\\n")[0] for text in result_of(job)][2:4] == ["words 2", "Attachment: b.pdf"]
    assert len(result_of(job)) == 7


def test_a_worker_that_lost_its_lease_while_reading_saves_no_more_pages() -> None:
    engine = Engine()
    shop = reading_shop(engine, scan(5))
    key = shop.keep()

    def lose_it() -> None:
        if len(engine.seen) == 3:
            shop.another_worker_claims(key)

    engine.step = lose_it
    shop.deliver(key)
    job = shop.job(key)
    assert job.status == Status.PROCESSING, "the other worker holds the job"
    [entry] = [entry for name, entry in job.checkpoints.items() if "*read" in name]
    assert entry.split(" ")[1:] == ["1:1-2"]


def test_many_documents_in_one_stage_do_not_overfill_the_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "MAX_NAMES", 6)
    documents = [f"{new_id(START + number * MINUTE)}/scan.pdf" for number in range(5)]
    engine = Engine()

    def read(job: Job[Book]) -> Value:
        return Value(text=str(sum(len(job.read(document).pages) for document in documents)))

    shop = Shop([read], documents=DocumentReader(ocr=engine))
    for document in documents:
        shop.artifacts.write(upload_key("acme", document), scan(1), "application/pdf")
    job = run(shop)
    assert (job.status, len(engine.seen)) == (Status.COMPLETED, 5)
    assert len([key for key in shop.artifacts.objects if "checkpoints" in key]) == 3
