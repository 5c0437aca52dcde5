"""The answers file: which answer a call gets, what a mistake in the file says, and the example in the documentation."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.stand_in import StandIn, script
from tests.standin.asking import BRIEF, HAIKU, Ask, asking, input_of, streamed, text_of, tool

PAGE = Path(__file__).parents[2] / "docs" / "write" / "local.md"
[EXAMPLE] = re.findall(r"```toml\n(.*?)```", script.__doc__ or "", re.DOTALL)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "answers.toml"


def test_the_documented_file_is_read_and_answers(file: Path) -> None:
    file.write_text(EXAMPLE, "utf-8")
    with StandIn(answers=[file]) as stand_in, asking(stand_in.url) as ask:
        scripted = input_of(ask.events("Harbour Lights, 2027", toolConfig=tool(BRIEF)))
        assert scripted["summary"] == "A call for light installations."
        assert scripted["data"] == {"deadline": "2027-03-15", "lots": [{"name": "Wall"}, {"name": "Quay"}]}
        ours = {"analysis": "rfp-analysis", "stage": "brief", "job_id": "j1"}
        assert text_of(ask.whole("The Quay.", requestMetadata=ours)) == "No brief."
        assert text_of(ask.whole("The Quay.")) != "No brief."
        assert text_of(ask.whole("Please say hi.")) == streamed(ask.events("Say hello")) == "Hello."
        throttled = Ask(ask.bedrock, HAIKU)
        for _ in range(2):
            with pytest.raises(ask.bedrock.exceptions.ThrottlingException):
                throttled.whole("Anything else.")
        assert text_of(throttled.whole("Anything else.")) == "[stand-in model] Anything else."


def test_the_file_in_the_documentation_is_read_and_answers(file: Path) -> None:
    [shown] = re.findall(r"```toml\n(\[\[answers.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    file.write_text(shown, "utf-8")
    with StandIn(answers=[file]) as stand_in, asking(stand_in.url) as ask:
        letter = tool({**BRIEF, "title": "Letter"})
        assert input_of(ask.events("Dear Sir or Madam, hello.", toolConfig=letter)) == {"sender": "unknown"}
        ours = {"analysis": "letters", "stage": "extract", "job_id": "j1"}
        asked = ask.events("Hello.", toolConfig=letter, requestMetadata=ours)
        assert input_of(asked) == {"sender": "Rowing Club"}
        with pytest.raises(ask.bedrock.exceptions.ThrottlingException):
            Ask(ask.bedrock, HAIKU).whole()


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"analysis": "letters"}, True),
        ({"stage": "extract", "job_id": "j1"}, True),
        ({"stage": "extract", "job_id": "j2"}, False),
        ({"stage": "extract", "text": "Hello"}, True),
        ({"stage": "extract", "text": "Goodbye"}, False),
        ({"stage": "analyse"}, False),
    ],
)
def test_all_conditions_of_a_match_must_hold(file: Path, condition: dict[str, str], holds: bool) -> None:
    inline = ", ".join(f'{name} = "{value}"' for name, value in condition.items())
    file.write_text(f'[[answers]]\nmatch = {{ {inline} }}\nanswer = "scripted"\n', "utf-8")
    ours = {"analysis": "letters", "stage": "extract", "job_id": "j1"}
    with StandIn(answers=[file]) as stand_in, asking(stand_in.url) as ask:
        assert (text_of(ask.whole("Hello.", requestMetadata=ours)) == "scripted") == holds


def test_a_stage_with_other_letters_is_matched_as_bedrock_gets_it(file: Path) -> None:
    file.write_text('[[answers]]\nmatch = { stage = "prüfe" }\nanswer = "scripted"\n', "utf-8")
    with StandIn(answers=[file]) as stand_in, asking(stand_in.url) as ask:
        assert text_of(ask.whole("Hello.", requestMetadata={"stage": "pr_fe"})) == "scripted"


def test_labels_that_bedrock_would_refuse_are_refused() -> None:
    with StandIn() as stand_in, asking(stand_in.url) as ask:
        for wrong in ({"ü": "x"}, {"x": "ü"}, {"x": "a" * 257}, dict.fromkeys(map(str, range(17)), "x")):
            with pytest.raises(ask.bedrock.exceptions.ValidationException):
                ask.whole("Hello.", requestMetadata=wrong)


def write(file: Path, *answers: dict[str, Any]) -> Path:
    """Write an answers file; JSON's texts, numbers and lists are TOML's, too."""
    entries = ("\n".join(f"{name} = {json.dumps(value)}" for name, value in each.items()) for each in answers)
    file.write_text("\n".join(f"[[answers]]\n{entry}\n" for entry in entries), "utf-8")
    return file


def test_a_call_without_an_entry_is_answered_from_its_document(file: Path) -> None:
    write(
        file, {"tool": "Other", "answer": "x"}, {"match": "Moon", "answer": "x"}, {"model": "gemini-*", "answer": "x"}
    )
    with StandIn(answers=[file]) as stand_in, asking(stand_in.url) as ask:
        assert input_of(ask.events("Sea Plan", toolConfig=tool(BRIEF)))["summary"].startswith("Sea Plan.")


def test_a_scenario_of_a_test_comes_first_and_a_pace_leaves_the_answer_alone(file: Path) -> None:
    write(file, {"answer": "scripted", "times": 2})
    with StandIn(answers=[file]) as stand_in, asking(stand_in.url) as ask:
        stand_in.set(answer="of the test", times=1)
        assert text_of(ask.whole()) == "of the test"
        stand_in.set(error="ThrottlingException")
        with pytest.raises(ask.bedrock.exceptions.ThrottlingException):
            ask.whole()
        stand_in.set(chunk_chars=2)
        assert [text_of(ask.whole()) for _ in range(3)] == ["scripted", "scripted", "[stand-in model] Hello."]
        stand_in.reset()
        assert text_of(ask.whole()) == "scripted", "a reset gives the turns back"


def test_an_answer_in_words_is_given_whatever_was_asked_for_and_json_is_text_without_a_tool(ask: Ask) -> None:
    with StandIn() as stand_in, asking(stand_in.url) as own:
        stand_in.set({"answer": "I cannot say.", "times": 1}, {"answer": {"a": 1}})
        refused = own.whole(toolConfig=tool(BRIEF))
        assert (text_of(refused), refused["stopReason"]) == ("I cannot say.", "end_turn")
        assert text_of(own.whole()) == '{"a": 1}'
    assert ask.whole()["stopReason"] == "end_turn", "another stand-in has nothing of it"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[answers]\n", "Expected"),
        ("[[answer]]\nanswer = 'x'", "answers: Field required"),
        ("[[answers]]\nanswers = 'x'", "answers.0.answers: Extra inputs"),
        ("[[answers]]\nerror = 'Nothing'", "answers.0: Value error, error: 'Nothing' is not one of"),
        ("[[answers]]\npattern = '('", "answers.0: Value error, pattern: missing )"),
        ("[[answers]]\nchunk_s = -1", "answers.0.chunk_s: Input should be greater than or equal to 0"),
    ],
)
def test_a_file_with_a_mistake_is_refused_with_its_place(file: Path, text: str, complaint: str) -> None:
    file.write_text(text, "utf-8")
    with pytest.raises(CloudError, match=re.escape(complaint)) as refused:
        StandIn(answers=[file])
    assert str(file) in str(refused.value)


def test_a_file_that_is_not_there_is_an_error(file: Path) -> None:
    with pytest.raises(CloudError, match="No such file"):
        script.load(file)
