"""The job as an analysis sees it: documents, prompts, the model with one repair turn, progress and usage."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pydantic import BaseModel, Field

from analysis_jobs import Fail, Job, Prompt, Retry
from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.base.errors import ConfigurationError, Defer, JobError, Stopped
from analysis_jobs.base.ids import new_id
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import upload_key
from analysis_jobs.llm.model import Reply
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.handlers.builders import START, ScriptedModel, a_context, a_processing_job, some_settings
from tests.handlers.pdfs import pdf

DOCUMENT = f"{new_id(START)}/rfp.pdf"
RECORD = a_processing_job(subject="books/42", attempt=2, usage=Usage(1, 100, 10), progress=20)


class Request(BaseModel):
    document: str = ""


class Summary(BaseModel):
    """The gist.

    For people in a hurry.
    """

    title: str
    pages: int = Field(ge=1)


def _said(data: dict[str, Any] | None, text: str = "", fault: JobError | None = None) -> Reply:
    return Reply(text or str(data), data, "tool_use", Usage(1, 10, 2), fault)


GOOD = _said({"title": "Dune", "pages": 412})
BAD = _said({"title": "Dune", "pages": 0})


def _context(model: ScriptedModel | None = None, **parts: Any) -> AttemptContext:
    parts.setdefault("settings", some_settings(max_document_bytes=100_000))
    parts.setdefault("model_id", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    return a_context(RECORD, model=model or ScriptedModel(), **parts)


def _job(model: ScriptedModel | None = None, **parts: Any) -> Job[Request]:
    return Job(_context(model, **parts), Request(document=DOCUMENT))


def _with_document(content: bytes, key: str | None = None, **parts: Any) -> Job[Request]:
    artifacts = MemoryArtifactStore()
    artifacts.write(key or upload_key("acme", DOCUMENT), content, "application/pdf")
    return _job(artifacts=artifacts, **parts)


def test_a_job_has_its_id_tenant_and_attempt() -> None:
    context = _context()
    job = Job(context, Request(document=DOCUMENT))
    assert (job.job_id, job.tenant, job.subject, job.attempt) == (RECORD.job_id, "acme", "books/42", 2)
    assert (job.usage, context.report.percent) == (Usage(1, 100, 10), 20), "both continue from the previous attempt"


def test_the_text_of_an_uploaded_document_is_read() -> None:
    assert _with_document(pdf(["one"], ["two"])).text(DOCUMENT) == "one\ftwo"


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"%PDF-1.4 rubbish", "document_corrupt"),
        (pdf(["x"]) + b"\0" * 100_000, "document_too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_invalid_document_fails_with_its_code_and_its_name(content: bytes, code: str) -> None:
    with pytest.raises(Fail) as failed:
        _with_document(content).text(DOCUMENT)
    assert failed.value.code == code
    assert failed.value.message.startswith("rfp.pdf ")


def test_a_document_that_was_never_uploaded_is_not_found() -> None:
    with pytest.raises(Fail, match=r"document_not_found: .*rfp\.pdf was not uploaded"):
        _job().text(DOCUMENT)


def test_a_document_of_another_tenant_is_not_found() -> None:
    job = _with_document(pdf(["secret"]), key=upload_key("other", DOCUMENT))
    with pytest.raises(Fail, match="document_not_found"):
        job.text(DOCUMENT)


@pytest.mark.parametrize("path", ["../other/{}", "../../uploads/other/{}", "/uploads/other/{}", "{}/../x.pdf"])
def test_a_path_outside_the_tenants_folder_is_refused_before_any_read(path: str) -> None:
    class Unread(MemoryArtifactStore):
        def read(self, key: str, max_bytes: int, version: str | datetime | None = None) -> bytes:
            raise AssertionError(f"{key} was read, up to {max_bytes}, in version {version}")

    with pytest.raises(Fail, match="document_not_found"):
        _job(artifacts=Unread()).text(path.format(DOCUMENT))


def test_a_prompt_comes_from_the_table_or_is_the_default() -> None:
    default = Prompt("books", "step-1", ("Novel",), "Default: {text}")
    context = _context(prompts=MemoryPromptStore(replace(default, user_prompt_template="Stored: {text}", version=4)))
    job = Job(context, Request(document=DOCUMENT))
    assert job.prompt("books/step-1", category="Novel", default=default, text="x").user == "Stored: x"
    assert context.report.at_checkpoint()["prompts"] == {"": "books/step-1@v4"}
    assert job.prompt("books/step-1", category="Essay", default=default, text="x").user == "Default: x"
    assert context.report.at_checkpoint()["prompts"] == {"": "books/step-1@v4, books/step-1@v0"}


def test_a_prompt_without_a_needed_placeholder_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match=r"lacks \{text\}"):
        _job().prompt("books/step-1", category="Novel", default=Prompt("books", "step-1", ("Novel",), "Hi"), text="x")


def test_a_valid_answer_is_returned_after_one_question() -> None:
    model = ScriptedModel(GOOD)
    assert _job(model).ask("Which book?", answer=Summary) == Summary(title="Dune", pages=412)
    [question] = model.questions
    assert question.tool is not None
    assert (question.tool.name, question.tool.description) == ("Summary", "The gist.")
    assert question.tool.schema == Summary.model_json_schema()
    assert (question.prompt, question.max_tokens, question.system) == ("Which book?", 4_096, None)
    assert question.metadata == {"analysis": RECORD.analysis, "job_id": RECORD.job_id, "stage": ""}


def test_a_question_without_a_result_type_returns_text() -> None:
    model = ScriptedModel(_said(None, "Dune, I think."))
    assert _job(model).ask("Which book?", max_tokens=50, model_id="m") == "Dune, I think."
    assert (model.questions[0].tool, model.questions[0].max_tokens, model.questions[0].model_id) == (None, 50, "m")


def test_an_invalid_answer_gets_one_repair_turn_that_names_the_errors() -> None:
    model = ScriptedModel(BAD, GOOD)
    assert _job(model).ask("Which book?", answer=Summary).pages == 412
    first, second = model.questions
    assert second.prompt.startswith(first.prompt)
    assert str(BAD.data) in second.prompt
    assert "pages: Input should be greater than or equal to 1" in second.prompt
    assert replace(second, prompt=first.prompt) == first, "only the prompt differs"


def test_an_answer_that_is_not_json_gets_a_repair_turn_too() -> None:
    model = ScriptedModel(_said(None, '{"title": "Du'), GOOD)
    assert _job(model).ask("Which book?", answer=Summary).title == "Dune"
    assert '{"title": "Du' in model.questions[1].prompt


def test_a_second_invalid_answer_is_left_to_another_attempt() -> None:
    model = ScriptedModel(BAD, BAD)
    job = _job(model)
    with pytest.raises(Retry, match=r"model_answer_invalid: .*pages: ") as refused:
        job.ask("Which book?", answer=Summary)
    assert refused.value.after is None
    assert len(model.questions) == 2
    assert job.usage == Usage(3, 120, 14), "the usage counts both answers"


def test_a_failed_answer_raises_its_error_and_is_counted() -> None:
    model = ScriptedModel(_said(None, "Du", Fail("model_answer_too_long", "cut")))
    job = _job(model)
    with pytest.raises(Fail, match="model_answer_too_long"):
        job.ask("Which book?", answer=Summary)
    assert (len(model.questions), job.usage) == (1, Usage(2, 110, 12))


@pytest.mark.parametrize("error", [Fail("a", "x"), Retry("b", "x"), Defer("c", "x")], ids=lambda error: error.code)
def test_the_models_own_errors_pass_unchanged(error: JobError) -> None:
    with pytest.raises(type(error)) as raised:
        _job(ScriptedModel(error)).ask("Which book?")
    assert raised.value is error


def test_without_a_model_the_error_says_where_to_set_one() -> None:
    with pytest.raises(ConfigurationError, match="set model_id on the module"):
        _job(model_id="").ask("Which book?")


class Page[T](BaseModel):
    items: list[T]


def test_bedrock_accepts_the_name_of_a_generic_answer_type() -> None:
    model = ScriptedModel(_said({"items": [1]}))
    assert _job(model).ask("Numbers?", answer=Page[int]).items == [1]
    assert model.questions[0].tool is not None
    assert model.questions[0].tool.name == "Page_int_"


def test_a_long_list_of_errors_is_shortened_in_prompt_and_message() -> None:
    wrong = _said({"items": ["x"] * 10_000}, text="(long)")
    model = ScriptedModel(wrong, wrong)
    with pytest.raises(Retry) as refused:
        _job(model).ask("Numbers?", answer=Page[int])
    assert len(refused.value.message) < 1_200
    assert len(model.questions[1].prompt) < 1_500


@pytest.mark.parametrize(("given", "kept"), [(0, 0), (33, 33), (100, 100), (-5, 0), (250, 100), (66.6, 66)])
def test_progress_is_a_whole_number_from_0_to_100(given: int, kept: int) -> None:
    context = _context()
    Job(context, Request(document=DOCUMENT)).progress(given)
    assert (context.report.percent, type(context.report.percent)) == (kept, int)


def test_an_arriving_answer_advances_the_progress_but_never_to_the_end() -> None:
    seen: list[int] = []
    model = ScriptedModel(_said(None, "x" * 6_000), _said(None, "x" * 6_000))
    context: AttemptContext = _context(model, check=lambda: seen.append(context.report.percent))
    job = Job(context, Request(document=DOCUMENT))
    job.progress(20)
    job.ask("Which book?")
    job.ask("And then?")
    assert seen == sorted(seen), "the progress never decreases"
    assert len(set(seen)) > 10
    assert context.report.percent == 95


@pytest.mark.parametrize(
    "step",
    [
        lambda job: job.progress(50),
        lambda job: job.text(DOCUMENT),
        lambda job: job.ask("Which book?"),
    ],
    ids=["progress", "text", "ask"],
)
def test_every_method_notices_that_the_attempt_must_stop(step: Callable[[Job[Request]], object]) -> None:
    def stopped() -> None:
        raise Stopped("the lease is lost")

    job = _with_document(pdf(["x"]), model=ScriptedModel(_said(None, "an answer")), check=stopped)
    with pytest.raises(Stopped):
        step(job)


def test_a_later_stage_gets_the_output_of_an_earlier_stage() -> None:
    def outline(_job: Job[Request]) -> dict[str, int]:
        return {"parts": 3}

    context = _context()
    job = Job(context, Request(document=DOCUMENT))
    context.stage.outputs["outline"] = outline(job)
    assert job.output(outline) == {"parts": 3}


def test_a_later_attempt_does_not_overwrite_the_file_of_an_earlier_attempt() -> None:
    artifacts = MemoryArtifactStore()
    assert _job(artifacts=artifacts).write_once("report.txt", b"first", "text/plain")
    assert not _job(artifacts=artifacts).write_once("report.txt", b"second", "text/plain")
    assert artifacts.objects == {f"jobs/acme/{RECORD.job_id}/files/report.txt": b"first"}


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_file_name_that_could_leave_the_folder_is_refused(name: str) -> None:
    with pytest.raises(Fail) as refused:
        _job().write_once(name, b"x", "text/plain")
    assert refused.value.code == "file_name_invalid"


def test_an_attempt_that_must_stop_writes_no_file() -> None:
    artifacts = MemoryArtifactStore()

    def stop() -> None:
        raise Stopped("the lease is lost")

    with pytest.raises(Stopped):
        _job(artifacts=artifacts, check=stop).write_once("report.txt", b"x", "text/plain")
    assert artifacts.objects == {}
