"""Features of Gemini only: API key rotation, quotas, finish reasons, schemas, and the optional import."""

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Any, Literal

import pytest
from google.genai import types
from pydantic import BaseModel, Field

from analysis_jobs import Defer, Fail, Retry
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import ConfigurationError, JobError
from analysis_jobs.base.secrets import no_secrets
from analysis_jobs.llm.gemini.errors import KeyRefused, api_error
from analysis_jobs.llm.gemini.model import GeminiModel
from analysis_jobs.llm.gemini.schema import response_schema
from analysis_jobs.llm.model import Question, Tool
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.handlers.models import GEMINI_ID, KEY_ARN, Keys, gemini
from tests.handlers.pdfs import REPOSITORY

QUESTION = Question(GEMINI_ID, "Say a lot. " * 20, 1_000)


def _ask(model: GeminiModel, question: Question = QUESTION) -> Any:
    return model.ask(question, lambda _: None, CancellationToken())


def _refused(model: GeminiModel, question: Question = QUESTION) -> JobError:
    with pytest.raises(JobError) as refused:
        _ask(model, question)
    return refused.value


def test_a_server_of_ours_gets_the_labels_and_google_does_not(stand_in: StandIn) -> None:
    labels = {"analysis": "letters", "stage": "prüfe", "job_id": "j1"}
    question = replace(QUESTION, metadata=labels)
    stand_in.set(match={"stage": "prüfe"}, answer="scripted")
    assert _ask(gemini(stand_in.url), question).text == "scripted"
    assert stand_in.calls()[0]["metadata"] == labels
    googles = GeminiModel(no_secrets())
    assert googles._headers(question) == {}  # noqa: SLF001 - Google cannot be asked here


# The key


def test_after_a_rotation_the_key_is_read_again_and_the_question_is_repeated(stand_in: StandIn) -> None:
    stand_in.take_gemini_key("new")
    keys = Keys("old", "new")
    model = gemini(stand_in.url, keys=keys)
    assert _ask(model).fault is None
    assert _ask(model).fault is None
    assert keys.asked == 2
    assert [call["outcome"] for call in stand_in.calls()] == ["INVALID_ARGUMENT", "ok", "ok"]


def test_a_key_that_stays_wrong_fails_the_job_after_one_request(stand_in: StandIn) -> None:
    stand_in.take_gemini_key("new")
    keys = Keys("old")
    error = _refused(gemini(stand_in.url, keys=keys))
    assert isinstance(error, Fail)
    assert error.code == "access_denied"
    assert "refuses the API key" in error.message
    assert "old" not in error.message
    assert (keys.asked, len(stand_in.calls())) == (2, 1)


def test_a_second_wrong_key_ends_the_retries(stand_in: StandIn) -> None:
    stand_in.take_gemini_key("new")
    keys = Keys("old", "older", "oldest")
    assert isinstance(_refused(gemini(stand_in.url, keys=keys)), KeyRefused)
    assert (keys.asked, len(stand_in.calls())) == (2, 2)


def test_the_error_names_the_variable_of_a_missing_key(stand_in: StandIn) -> None:
    with pytest.raises(ConfigurationError, match=r"GEMINI_API_KEY.*worker\.secrets"):
        _ask(GeminiModel(no_secrets(), stand_in.url))


def test_the_variables_that_googles_client_reads_are_ignored(
    stand_in: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Here GEMINI_API_KEY holds an ARN. Google's client would use it as a key.
    for name, value in {
        "GEMINI_API_KEY": KEY_ARN,
        "GOOGLE_API_KEY": "another",
        "GOOGLE_CLOUD_PROJECT": "p",
        "GOOGLE_GEMINI_BASE_URL": "http://127.0.0.1:9",
        "GOOGLE_GENAI_USE_VERTEXAI": "true",
    }.items():
        monkeypatch.setenv(name, value)
    stand_in.take_gemini_key("ours")
    assert _ask(gemini(stand_in.url, keys=Keys("ours"))).fault is None


@pytest.mark.parametrize("url", ["gemini.example", "ftp://gemini.example"])
def test_an_invalid_url_is_a_configuration_error(url: str) -> None:
    with pytest.raises(ConfigurationError, match="GEMINI_BASE_URL"):
        _ask(gemini(url))


# Errors in the wording of the real service


def _body(status: int, name: str, *details: dict[str, Any]) -> dict[str, Any]:
    return {"error": {"code": status, "message": "said Gemini", "status": name, "details": list(details)}}


RPC = "type.googleapis.com/google.rpc."
PER_DAY = {
    "@type": f"{RPC}QuotaFailure",
    "violations": [{"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier", "quotaValue": "20"}],
}
PER_MINUTE = {"@type": f"{RPC}QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel"}]}


def _wait(delay: str) -> dict[str, Any]:
    return {"@type": f"{RPC}RetryInfo", "retryDelay": delay}


HOUR = timedelta(hours=1)


@pytest.mark.parametrize(
    ("details", "code", "after"),
    [
        ([PER_MINUTE, _wait("46s")], "model_throttled", timedelta(seconds=46)),
        ([PER_MINUTE, _wait("36.1s")], "model_throttled", timedelta(seconds=37)),
        ([PER_MINUTE], "model_throttled", None),
        ([PER_MINUTE, _wait("soon")], "model_throttled", None),
        ([PER_MINUTE, _wait("0s")], "model_throttled", None),
        ([PER_MINUTE, _wait("36000s")], "model_throttled", HOUR),
        ([PER_DAY, _wait("600s")], "model_quota_exceeded", timedelta(minutes=10)),
        ([PER_DAY, _wait("35625s")], "model_quota_exceeded", HOUR),
        ([PER_DAY], "model_quota_exceeded", HOUR),
        ([], "model_throttled", None),
    ],
)
def test_an_exhausted_quota_waits_as_long_as_gemini_says_and_at_most_an_hour(
    details: list[dict[str, Any]], code: str, after: timedelta | None
) -> None:
    error = api_error(429, "RESOURCE_EXHAUSTED", "said Gemini", _body(429, "RESOURCE_EXHAUSTED", *details))
    assert isinstance(error, Defer)
    assert (error.code, error.after) == (code, after)


@pytest.mark.parametrize(
    ("status", "name", "body", "kind", "code"),
    [
        (502, "Bad Gateway", {"message": "<html>"}, Defer, "model_unavailable"),
        (503, None, None, Defer, "model_unavailable"),
        (504, "Gateway Timeout", "<html>", Retry, "model_timeout"),
        (418, "I'm a teapot", [], Retry, "model_error"),
        (None, None, {"error": "odd"}, Retry, "model_error"),
        (413, "Request Entity Too Large", {}, Fail, "model_refused_request"),
        (401, "UNAUTHENTICATED", _body(401, "UNAUTHENTICATED"), KeyRefused, "access_denied"),
        (403, "PERMISSION_DENIED", _body(403, "PERMISSION_DENIED"), Fail, "access_denied"),
        (400, "INVALID_ARGUMENT", {"error": {"details": ["odd", None]}}, Fail, "model_refused_request"),
    ],
)
def test_an_error_with_an_unknown_body_is_decided_by_its_status(
    status: int | None, name: str | None, body: Any, kind: type[JobError], code: str
) -> None:
    error = api_error(status, name, "said the proxy", body)
    assert (type(error), error.code) == (kind, code)


def test_a_daily_quota_is_recognized_in_a_real_response(stand_in: StandIn) -> None:
    stand_in.set(error="RESOURCE_EXHAUSTED", per_day=True)
    error = _refused(gemini(stand_in.url))
    assert isinstance(error, Defer)
    assert (error.code, error.after) == ("model_quota_exceeded", HOUR)


def test_an_unknown_model_fails_the_job(stand_in: StandIn) -> None:
    error = _refused(gemini(stand_in.url), replace(QUESTION, model_id="gemini-NONE"))
    assert (type(error), error.code) == (Fail, "model_not_found")


# Answers


@pytest.mark.parametrize(
    ("reason", "kind", "code"),
    [
        ("MAX_TOKENS", Fail, "model_answer_too_long"),
        ("CONTINUATION", Fail, "model_answer_too_long"),
        ("SAFETY", Fail, "model_refused"),
        ("RECITATION", Fail, "model_answer_blocked"),
        ("PROHIBITED_CONTENT", Fail, "model_refused"),
        ("SPII", Fail, "model_answer_blocked"),
        ("MODEL_ARMOR", Fail, "model_answer_blocked"),
        ("IMAGE_RECITATION", Fail, "model_answer_blocked"),
        ("NO_IMAGE", Retry, "model_answer_invalid"),
        ("IMAGE_OTHER", Retry, "model_answer_invalid"),
        ("MALFORMED_RESPONSE", Retry, "model_answer_invalid"),
        ("OTHER", Retry, "model_answer_invalid"),
    ],
)
def test_an_answer_with_a_failing_finish_reason_is_an_error_with_usage(
    stand_in: StandIn, reason: str, kind: type[JobError], code: str
) -> None:
    stand_in.set(finish_reason=reason)
    reply = _ask(gemini(stand_in.url))
    assert (type(reply.fault), reply.fault.code, reply.stop_reason) == (kind, code, reason)
    assert reply.usage.output_tokens > 0
    assert len(stand_in.calls()) == 1, "the client does not continue an answer by itself"


@pytest.mark.filterwarnings("ignore:.*is not a valid FinishReason:UserWarning")
def test_an_unknown_finish_reason_is_an_error(stand_in: StandIn) -> None:
    stand_in.set(finish_reason="PERFECT")
    fault = _ask(gemini(stand_in.url)).fault
    assert (type(fault), fault.code) == (Retry, "model_stop_unknown")
    assert "PERFECT" in fault.message


def test_every_finish_reason_of_googles_client_is_known(stand_in: StandIn) -> None:
    for reason in types.FinishReason:
        stand_in.set(finish_reason=reason.value)
        fault = _ask(gemini(stand_in.url)).fault
        assert (fault is None) == (reason.value == "STOP")
        assert fault is None or fault.code != "model_stop_unknown", reason.value


def test_a_blocked_question_fails_the_job(stand_in: StandIn) -> None:
    stand_in.set(block_reason="PROHIBITED_CONTENT")
    reply = _ask(gemini(stand_in.url))
    assert isinstance(reply.fault, Fail)
    assert (reply.fault.code, reply.text) == ("model_answer_blocked", "")
    assert "PROHIBITED_CONTENT" in reply.fault.message
    assert reply.usage.input_tokens > 0


def test_thinking_tokens_are_counted_as_output(stand_in: StandIn) -> None:
    stand_in.set(thought_tokens=700)
    usage = _ask(gemini(stand_in.url)).usage
    assert usage.output_tokens == stand_in.calls()[0]["output_tokens"] + 700


# Schemas


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Part(BaseModel):
    """A part."""

    name: Annotated[str, Field(min_length=1, pattern="^[a-z]+$")]
    colour: Colour = Field(default=Colour.RED, description="Beside a reference, where nothing may stand.")
    weight: Annotated[float, Field(gt=0, le=5)] | None = None


class Thing(BaseModel):
    kind: Literal["thing"]
    made: date | None
    price: Decimal
    parts: list[Part] = Field(max_length=3)
    notes: dict[str, str] = {}
    child: "Thing | None" = None


_TAKEN = {
    "$defs", "$ref", "additionalProperties", "anyOf", "description", "enum", "format", "items", "maxItems", "maximum",
    "minItems", "minimum", "oneOf", "prefixItems", "properties", "required", "title", "type",
}  # fmt: skip


def _schemas(schema: Any) -> Iterator[dict[str, Any]]:
    yield schema
    for name, value in schema.items():
        if name in ("properties", "$defs"):
            for each in value.values():
                yield from _schemas(each)
        elif name in ("anyOf", "oneOf", "prefixItems"):
            for each in value:
                yield from _schemas(each)
        elif name in ("items", "additionalProperties") and isinstance(value, dict):
            yield from _schemas(value)


def test_a_schema_keeps_only_keywords_that_gemini_accepts() -> None:
    found = response_schema(Thing.model_json_schema(), "A thing.")
    every = list(_schemas(found))
    assert {name for each in every for name in each} <= _TAKEN
    assert all(set(each) <= {"$ref", "$defs"} for each in every if "$ref" in each), (
        "a reference has no sibling keywords"
    )
    defined = found["$defs"]
    assert set(defined) == {"Colour", "Part", "Thing"}
    part = defined["Part"]["properties"]
    assert part["colour"] == {"$ref": "#/$defs/Colour"}
    assert part["weight"]["anyOf"] == [{"maximum": 5, "type": "number"}, {"type": "null"}]
    assert defined["Colour"]["enum"] == ["red", "blue"]
    thing = defined["Thing"]["properties"]
    assert thing["kind"]["enum"] == ["thing"]
    assert thing["made"]["anyOf"][0] == {"format": "date", "type": "string"}
    assert thing["parts"]["maxItems"] == 3


def test_a_schema_has_the_given_description() -> None:
    assert response_schema(Part.model_json_schema(), "One part.")["description"] == "One part."
    assert "description" not in response_schema({"type": "object", "properties": {}})


def test_a_schema_with_references_gets_a_complete_answer(stand_in: StandIn) -> None:
    tool = Tool("Part", "A part.", Part.model_json_schema())
    question = replace(QUESTION, prompt="<document>Name: wheel\nColour: blue\nWeight: 2.5</document>", tool=tool)
    found = Part.model_validate(_ask(gemini(stand_in.url), question).data)
    assert (found.name, found.colour) == ("wheel", Colour.BLUE)


# The import

_WITHOUT = """
import sys
sys.modules[{hidden!r}] = None
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.llm.model import Question
from analysis_jobs.base.secrets import no_secrets
from analysis_jobs.llm.router import ModelRouter
router = ModelRouter(None, no_secrets())
assert not any(found and name.split(".")[0] in ("google", "httpx2") for name, found in sys.modules.items())
try:
    router.ask(Question("gemini-2.5-flash", "?", 1), print, CancellationToken())
except ConfigurationError as error:
    print(error)
"""


@pytest.mark.parametrize("hidden", ["google", "httpx2"])
def test_without_the_extra_the_first_question_names_it_and_where_to_add_it(hidden: str) -> None:
    program = _WITHOUT.format(hidden=hidden)
    run = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(REPOSITORY / "handlers")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert '"gemini"' in run.stdout
    assert "pyproject.toml" in run.stdout
