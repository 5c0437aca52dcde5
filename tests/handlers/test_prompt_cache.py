"""The prompt cache: which questions of a job use it, with the same bytes before the cache point in all of them."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from pydantic import BaseModel

from analysis_jobs import Attachment, Job, Prompt, Retry
from analysis_jobs.authoring.lookahead import asking_places
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.prompts.documents import split_document
from analysis_jobs.prompts.template import document_element
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.attempts import run
from tests.handlers.builders import ScriptedModel, Shop, Value, says, some_settings
from tests.handlers.events import logged
from tests.handlers.models import BEDROCK_ID, GEMINI_ID, bedrock

DOCUMENT = "Harbour Lights Festival\n\nDeadline: 15 March 2027\n\n" + "The wall must be safe in storms. " * 200
TOKENS = len(DOCUMENT) // 4
KIND = Prompt(
    "s",
    "kind",
    ("c",),
    "Which kind is this?\n\n<document>\n{text}\n</document>",
    system_prompt="You sort letters.",
    output_format="One word.",
)
FIELDS = Prompt("s", "fields", ("c",), "<letter>\n{text}\n</letter>\n\nExtract.", system_prompt="You extract fields.")


class Kind(BaseModel):
    """The kind."""

    title: str


class Fields(BaseModel):
    """The fields."""

    title: str
    deadline: str


class Recorded(BedrockModel):
    """A model behind the stand-in that records the bodies of the requests."""

    def __init__(self, url: str, fail: Callable[[int], Exception | None] = lambda _: None) -> None:
        client = bedrock(url)._client  # noqa: SLF001 - the client of the worker, without building it a second time
        super().__init__(client)
        self.bodies: list[dict[str, Any]] = []
        send = client.converse_stream

        def converse_stream(**arguments: Any) -> Any:
            self.bodies.append(arguments)
            if error := fail(len(self.bodies)):
                raise error
            return send(**arguments)

        client.converse_stream = converse_stream  # type: ignore[method-assign]


def classify(job: Job[Any]) -> dict[str, str]:
    prompt = job.prompt("s/kind", category="c", default=KIND, text=DOCUMENT)
    return {"title": job.ask(prompt, answer=Kind).title}


def extract(job: Job[Any]) -> Value:
    prompt = job.prompt("s/fields", category="c", default=FIELDS, text=DOCUMENT)
    return Value(text=job.ask(prompt, answer=Fields).deadline)


def a_shop(model: Any, *stages: Callable[[Job[Any]], Any], model_id: str = BEDROCK_ID) -> Shop:
    return Shop(stages, model, settings=some_settings(model_id=model_id))


def done(shop: Shop) -> Any:
    job = run(shop)
    assert job.failure is None
    return job


def before_the_point(body: Mapping[str, Any]) -> str:
    """Return everything that Bedrock reads before the cache point, and what changes how it reads that."""
    [message] = body["messages"]
    [point] = [number for number, block in enumerate(message["content"]) if "cachePoint" in block]
    parts = [body.get("toolConfig"), body.get("outputConfig"), body.get("system"), message["content"][:point]]
    return json.dumps(parts, default=repr)


def has_point(body: Mapping[str, Any]) -> bool:
    return any("cachePoint" in block for block in body["messages"][0]["content"])


def test_the_second_stage_reads_the_document_that_the_first_one_wrote(stand_in: StandIn) -> None:
    model = Recorded(stand_in.url)
    job = done(a_shop(model, classify, extract))
    assert len({before_the_point(body) for body in model.bodies}) == 1
    first, second = stand_in.calls()
    assert (first["cache_read_tokens"], second["cache_write_tokens"]) == (0, 0)
    assert first["cache_write_tokens"] == second["cache_read_tokens"] >= TOKENS
    assert job.usage.cache_read_tokens == job.usage.cache_write_tokens == first["cache_write_tokens"]
    assert "15 March 2027" in job.result.text


def test_instructions_and_schema_come_after_the_document_and_nothing_of_the_job_before_it(stand_in: StandIn) -> None:
    model = Recorded(stand_in.url)
    job = done(a_shop(model, classify, extract))
    shared = before_the_point(model.bodies[0])
    for varying in (job.job_id, job.tenant, "sort letters", "Which kind", "The kind.", "2026"):
        assert varying not in shared
    system, words, prompt = (block["text"] for block in model.bodies[0]["messages"][0]["content"][2:])
    assert system == "You sort letters."
    assert '"title":"Kind"' in words
    assert prompt.strip() == ("Which kind is this?\n\n(The document is at the start of this message.)\n\nOne word.")


def test_the_document_cannot_leave_its_element() -> None:
    element = document_element("a </document> b </ DOCUMENT> c")
    assert element.count("</document>") == 1
    assert element.endswith("c\n</document>")


def test_a_repair_turn_reads_the_document_and_only_appends(stand_in: StandIn) -> None:
    stand_in.set(nonsense=True, tool="Fields", times=1)
    model = Recorded(stand_in.url)
    done(a_shop(model, classify, extract))
    _, asked, repaired = model.bodies
    assert before_the_point(asked) == before_the_point(repaired)
    *same, prompt = asked["messages"][0]["content"]
    *same_again, longer = repaired["messages"][0]["content"]
    assert same == same_again
    assert longer["text"].startswith(prompt["text"])
    assert [call["cache_read_tokens"] >= TOKENS for call in stand_in.calls()] == [False, True, True]


def test_a_later_attempt_sends_the_same_bytes_and_reads_them(stand_in: StandIn) -> None:
    model = Recorded(stand_in.url)
    attempts: list[int] = []

    def extract_late(job: Job[Any]) -> Value:
        attempts.append(job.attempt)
        value = extract(job)
        if job.attempt == 1:
            raise Retry("model_connection", "reset")
        return value

    def ask_nothing(_job: Job[Any]) -> Value:
        return Value(text="done")

    done(a_shop(model, classify, extract_late, ask_nothing))
    assert attempts == [1, 2]
    assert len({before_the_point(body) for body in model.bodies}) == 1
    assert [call["cache_read_tokens"] >= TOKENS for call in stand_in.calls()] == [False, True, True]


def test_a_job_that_asks_once_pays_for_no_cache_and_sends_the_prompt_as_written(stand_in: StandIn) -> None:
    model = Recorded(stand_in.url)
    job = done(a_shop(model, extract))
    [body] = model.bodies
    assert [block["text"] for block in body["messages"][0]["content"]] == [
        f"<letter>\n{DOCUMENT}\n</letter>\n\nExtract."
    ]
    assert body["system"] == [{"text": "You extract fields."}]
    assert job.usage.cache_write_tokens == 0


def test_a_job_that_asks_once_caches_its_prompt_with_the_repair_turn_for_the_next_attempt(stand_in: StandIn) -> None:
    stand_in.set(nonsense=True, times=2)
    model = Recorded(stand_in.url)
    assert done(a_shop(model, extract)).attempt == 2
    first, repair, again = model.bodies
    assert [has_point(body) for body in model.bodies] == [False, True, True]
    assert before_the_point(repair) == before_the_point(again)
    assert repair["messages"][0]["content"][0] == first["messages"][0]["content"][0], "the repair turn only appends"
    assert "toolConfig" in repair or "outputConfig" in repair
    assert [call["cache_read_tokens"] >= TOKENS for call in stand_in.calls()] == [False, False, True]


def test_an_attempt_long_after_the_last_one_expects_nothing_in_the_cache(stand_in: StandIn) -> None:
    stand_in.set(error="ThrottlingException", times=1)
    model = Recorded(stand_in.url)
    shop = a_shop(model, extract)
    key = shop.keep()
    shop.deliver(key)
    shop.clock.advance(timedelta(minutes=6))
    assert shop.deliver(key).failure is None
    assert [has_point(body) for body in model.bodies] == [False, False]


def test_a_stage_that_was_throttled_reads_what_the_stage_before_it_wrote(stand_in: StandIn) -> None:
    stand_in.set(error="ThrottlingException", tool="Fields", times=1)
    model = Recorded(stand_in.url)
    done(a_shop(model, classify, extract))
    assert len({before_the_point(body) for body in model.bodies}) == 1
    assert [call["cache_read_tokens"] >= TOKENS for call in stand_in.calls()] == [False, False, True]


def test_several_questions_about_one_text_in_a_stage_share_it(stand_in: StandIn) -> None:
    def read(job: Job[Any]) -> Value:
        job.ask(f"Summarise.\n<letter>\n{DOCUMENT}\n</letter>")
        found = job.ask(f"<letter>\n{DOCUMENT}\n</letter>\nExtract.", answer=Fields)
        return Value(text=found.title)

    model = Recorded(stand_in.url)
    done(a_shop(model, read))
    assert len({before_the_point(body) for body in model.bodies}) == 1
    assert stand_in.calls()[1]["cache_read_tokens"] >= TOKENS


def test_a_loop_writes_the_document_with_its_second_question_and_reads_it_from_the_third_on(stand_in: StandIn) -> None:
    def read(job: Job[Any]) -> Value:
        for part in ("title", "deadline", "place"):
            job.ask(f"What is the {part}?\n<letter>\n{DOCUMENT}\n</letter>", answer=Kind)
        return Value(text="done")

    model = Recorded(stand_in.url)
    done(a_shop(model, read))
    assert [has_point(body) for body in model.bodies] == [False, True, True]
    assert [call["cache_read_tokens"] >= TOKENS for call in stand_in.calls()] == [False, False, True]
    assert ["toolConfig" in body or "outputConfig" in body for body in model.bodies] == [True, True, True], (
        "questions with one schema keep it where Bedrock enforces it"
    )


@pytest.mark.parametrize("at_once", [1, 4])
def test_the_items_of_a_series_read_the_document_that_the_first_one_wrote(stand_in: StandIn, at_once: int) -> None:
    def read(job: Job[Any]) -> Value:
        def about(part: str) -> str:
            return job.ask(f"What is the {part}?\n<letter>\n{DOCUMENT}\n</letter>", answer=Kind).title

        return Value(text=",".join(job.each(["a", "b", "c", "d", "e"], about, at_once=at_once)))

    stand_in.set(first_token_s=0.2, chunk_s=0.05)
    done(a_shop(Recorded(stand_in.url), read))
    calls = stand_in.calls()
    assert sum(call["cache_write_tokens"] > 0 for call in calls) == 1
    assert sum(call["cache_read_tokens"] >= TOKENS for call in calls) == 4


def test_a_series_goes_on_if_its_first_question_fails(stand_in: StandIn) -> None:
    def read(job: Job[Any]) -> Value:
        def about(part: str) -> str:
            return job.ask(f"What is the {part}?\n<letter>\n{DOCUMENT}\n</letter>", answer=Kind).title

        return Value(text=",".join(job.each(["a", "b", "c"], about, at_once=3)))

    stand_in.set(error="ModelErrorException", times=1)
    assert done(a_shop(Recorded(stand_in.url), read)).attempt == 2


def test_the_same_pictures_are_a_document_too(stand_in: StandIn) -> None:
    letter = Attachment(DOCUMENT.encode(), "text/plain", "letter.txt")

    def read(job: Job[Any]) -> Value:
        job.ask("Summarise.", attachments=[letter])
        return Value(text=job.ask("Extract.", attachments=[letter], answer=Fields).title)

    model = Recorded(stand_in.url)
    done(a_shop(model, read))
    assert len({before_the_point(body) for body in model.bodies}) == 1
    assert stand_in.calls()[1]["cache_read_tokens"] >= TOKENS


def test_a_short_document_and_a_model_without_a_cache_are_not_marked(stand_in: StandIn) -> None:
    def short(job: Job[Any]) -> dict[str, str]:
        return {"title": job.ask(f"<letter>\n{DOCUMENT[:2_500]}\n</letter>\nWhich?", answer=Kind).title}

    model = Recorded(stand_in.url)
    done(a_shop(model, short, extract))
    done(a_shop(model, classify, extract, model_id="eu.meta.llama4-scout-17b-instruct-v1:0"))
    assert [has_point(body) for body in model.bodies] == [False] * len(model.bodies)


def test_different_documents_of_the_stages_are_not_marked_in_the_last_one() -> None:
    essay = "Prose. " * 2_000

    def analyse(job: Job[Any]) -> dict[str, str]:
        return {"essay": job.ask("<book>\nShort.\n</book>\nAppraise.")}

    def take(job: Job[Any]) -> Value:
        return Value(text=job.ask(f"<essay>\n{essay}\n</essay>\nExtract."))

    model = ScriptedModel(says(essay), says("12"))
    done(a_shop(model, analyse, take))
    assert [question.cache for question in model.questions] == [False, False]


@pytest.mark.parametrize("wanted", [True, False])
def test_an_analysis_may_decide_itself(wanted: bool) -> None:
    def first(job: Job[Any]) -> dict[str, str]:
        return {"text": job.ask(f"<letter>\n{DOCUMENT}\n</letter>", cache=wanted)}

    def second(job: Job[Any]) -> Value:
        return Value(text=job.ask(f"<letter>\n{DOCUMENT}\n</letter>", cache=wanted))

    model = ScriptedModel(says("a"), says("b"))
    done(a_shop(model, first, second))
    assert [question.cache for question in model.questions] == [wanted, wanted]


def test_a_model_that_refuses_a_cache_point_is_asked_without_now_and_later(stand_in: StandIn) -> None:
    message = "You invoked an unsupported model or your request did not allow prompt caching."
    refusal = ClientError({"Error": {"Code": "AccessDeniedException", "Message": message}}, "ConverseStream")
    model = Recorded(stand_in.url, lambda number: refusal if number == 1 else None)
    with logged() as lines:
        done(a_shop(model, classify, extract))
    assert [has_point(body) for body in model.bodies] == [True, False, False]
    assert [line["event"] for line in lines if line["event"] == "model.not_cached"] == ["model.not_cached"]


def test_gemini_gets_the_prompt_as_written() -> None:
    model = ScriptedModel(says("a"), says("b"))

    def first(job: Job[Any]) -> dict[str, str]:
        return {"text": job.ask(f"<letter>\n{DOCUMENT}\n</letter>")}

    def second(job: Job[Any]) -> Value:
        return Value(text=job.ask(f"<letter>\n{DOCUMENT}\n</letter>"))

    done(a_shop(model, first, second, model_id=GEMINI_ID))
    assert [(question.document, question.cache) for question in model.questions] == [("", False)] * 2


# The parts


def test_the_longest_element_of_a_prompt_is_its_document() -> None:
    long, note = "x <b>bold</b> " * 200, "(The letter is the document at the start of this message.)"
    assert split_document(f"Read.\n<hint>a</hint>\n<letter>\n{long}\n</letter>\nNow.") == (
        long,
        f"Read.\n<hint>a</hint>\n{note}\nNow.",
    )
    for prompt in (long * 2, f"<letter>{long}", f"<letter>{'x' * 1_999}</letter>", "<p>" * 100_000):
        assert split_document(prompt) == ("", prompt)


def test_the_places_that_ask_are_counted_in_the_code_of_each_stage() -> None:
    def helper(job: Job[Any]) -> str:
        return job.ask("a")

    def twice(job: Job[Any]) -> str:
        return job.ask("a") + "".join(job.each(["b"], lambda part: job.ask(f"{part}?")))

    def never(job: Job[Any]) -> object:
        return job.output(twice)

    assert asking_places([classify, extract, _through_a_helper, twice, never, helper]) == {
        "classify": 1,
        "extract": 1,
        "_through_a_helper": 1,
        "twice": 2,
        "never": 0,
        "helper": 1,
    }


def _ask_for(job: Job[Any]) -> str:
    return job.ask("a")


def _through_a_helper(job: Job[Any]) -> str:
    return _ask_for(job)
