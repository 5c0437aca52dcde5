"""The test kit: a job runs to its end in memory, and a test sees all that it did."""

import ast
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, Field, computed_field

from analysis_jobs import Analysis, Document, Fail, Job, Prompt, stage, testing
from analysis_jobs.extraction import Checked, Finding
from analysis_jobs.jobs.payloads import load_json
from analysis_jobs.testing import (
    Answer,
    Asked,
    InvalidRequestError,
    JobFailed,
    Jobs,
    Match,
    UnscriptedQuestion,
    plugin,
)
from analysis_jobs.testing.project import ProjectFiles

SCHEDULE = Prompt("letters", "read", ("post",), "Read this letter: {letter}", version=0)


class Mail(BaseModel):
    """A request with documents at several depths."""

    letter: Document | None = None
    enclosed: list[Document] = []
    title: str = "documents/not-a-file.txt"


class Letter(BaseModel):
    """What the first stage finds."""

    sender: str
    wishes: list[str] = Field(default=[], description="What the sender wants.")


class Outcome(BaseModel):
    """The result."""

    sender: str
    answers: list[str]


def read(job: Job[Mail]) -> Letter:
    text = job.text(job.request.letter) if job.request.letter else job.request.title
    return job.ask(job.prompt("letters/read", category="post", default=SCHEDULE, letter=text), answer=Letter)


@stage(needs=timedelta(minutes=2))
def answer(job: Job[Mail]) -> list[str]:
    def one(wish: str) -> str:
        return job.ask(f"Answer: {wish}")

    return job.each(job.output(read).wishes, one, at_once=3)


def store(job: Job[Mail]) -> Outcome:
    answers = job.output(answer)
    job.save_json("answers.json", answers)
    return Outcome(sender=job.output(read).sender, answers=answers)


def read_again(job: Job[Mail]) -> Letter:
    return read(job)


MAIL = Analysis("mail", request=Mail, result=Outcome, stages=[read, answer, store])
CLUB = Letter(sender="the rowing club", wishes=["a key", "a lamp", "a date"])


@pytest.fixture
def scripted(jobs: Jobs) -> Jobs:
    """Return jobs with an answer for every question of `MAIL`."""
    jobs.answer(read, CLUB)
    jobs.answer("answer", lambda asked: asked.prompt.replace("Answer:", "No").strip())
    return jobs


def test_a_test_sees_all_that_a_job_did(scripted: Jobs) -> None:
    done = scripted.run(MAIL, {"title": "a card"}, subject="mail/1", client="club")
    assert done.result == Outcome(sender="the rowing club", answers=["No a key", "No a lamp", "No a date"])
    assert done.json == done.result.model_dump()
    assert (done.status, done.outcome, done.error, done.attempts, done.progress) == (
        "completed",
        "created",
        None,
        1,
        100,
    )
    assert (done.stages, done.history) == (("read", "answer", "store"), ["submit", "claim", "complete"])
    assert (done.output(read), done.output("answer"), done.output(store)) == (CLUB, done.result.answers, done.result)
    assert done.prompts == {"read": "letters/read@v0"}
    assert done.files == {"answers.json": b'[\n  "No a key",\n  "No a lamp",\n  "No a date"\n]\n'}
    assert done.usage.calls == len(done.questions) == 4
    assert done.cost_usd is not None
    assert done.cost_usd > 0
    assert (done.record.subject, done.record.client) == ("mail/1", "club")
    first = done.questions[0]
    assert (first.stage, first.attempt, first.prompt) == ("read", 1, "Read this letter: a card")
    assert (first.answer_name, first.system, first.attachments) == ("Letter", None, ())
    assert first.schema is not None
    assert first.answer == CLUB.model_dump_json().replace(":", ": ").replace(",", ", ")


def test_a_stage_that_has_not_finished_has_no_output(scripted: Jobs) -> None:
    scripted.refuse("answer")
    failed = scripted.run(MAIL, {}, check=False)
    assert failed.output("read") == CLUB
    with pytest.raises(KeyError, match="the stage store has no output; the finished stages are read"):
        failed.output(store)


def test_a_result_that_its_model_does_not_accept_is_there_as_json(jobs: Jobs) -> None:
    class Sum(BaseModel, extra="forbid"):
        parts: list[int]

        @computed_field
        def total(self) -> int:
            return sum(self.parts)

    def add(_: Job[Mail]) -> Sum:
        return Sum(parts=[1, 2])

    done = jobs.run(Analysis("sums", request=Mail, result=Sum, stages=[add]), {})
    assert done.json == {"parts": [1, 2], "total": 3}
    with pytest.raises(ValueError, match="Sum does not accept the JSON that it writes; use `json`"):
        _ = done.result


# Answers


def test_answers_of_a_stage_are_used_in_order_and_the_last_one_is_repeated(jobs: Jobs) -> None:
    jobs.answer(read, CLUB)
    jobs.answer("answer", "yes", "no")
    assert sorted(jobs.run(MAIL, {}).result.answers) == ["no", "no", "yes"]


def test_an_answer_can_be_for_the_model_that_a_question_asks_for(jobs: Jobs) -> None:
    jobs.answer(Letter, {"sender": "nobody"})
    assert jobs.run(MAIL, {}).result.answers == []


@pytest.mark.parametrize(
    ("match", "holds"),
    [
        (Match(stage="answer"), True),
        (Match(stage="answer", text="a key", analysis="mail"), True),
        (Match(stage="answer", text="a lamp"), False),
        (Match(analysis="letters"), False),
        (Match(tool="Letter"), False),
        (Match(model="gemini-*"), False),
        (Match(), True),
    ],
)
def test_an_answer_can_have_several_conditions(jobs: Jobs, match: Match, holds: bool) -> None:
    jobs.answer(Letter, {"sender": "x", "wishes": ["a key"]})
    jobs.answer(Match(stage="read"), {"sender": "x", "wishes": ["a key"]})
    jobs.answer("answer", "no")
    jobs.answer(match, "yes")
    assert jobs.run(MAIL, {}).result.answers == ["yes" if holds else "no"]


def test_a_function_answers_what_it_knows_and_leaves_the_rest(jobs: Jobs) -> None:
    def of_keys(asked: Asked) -> str | None:
        return "take it" if "a key" in asked.prompt else None

    jobs.answer_with(of_keys)
    jobs.answer_in_order({"sender": "x", "wishes": ["a lamp", "a key"]}, "no")
    assert jobs.run(MAIL, {}).result.answers == ["no", "take it"]


def test_an_answer_that_does_not_fit_is_repaired_as_in_production(scripted: Jobs) -> None:
    short = Analysis("short", request=Mail, result=Letter, stages=[read_again])
    scripted.answer(read_again, {"wishes": []}, CLUB)
    done = scripted.run(short, {})
    assert done.result == CLUB
    assert "sender: Field required" in done.questions[1].prompt


def test_a_text_is_read_as_a_model_writes_json_into_its_text(jobs: Jobs) -> None:
    jobs.answer(read, 'Here it is:\n```json\n{"sender": "the club"}\n```')
    assert jobs.run(MAIL, {}).result.sender == "the club"


def test_an_answer_that_never_fits_fails_the_job_and_the_message_shows_it(jobs: Jobs) -> None:
    jobs.answer(read, {"wishes": []})
    with pytest.raises(JobFailed) as failed:
        jobs.run(MAIL, {})
    assert failed.value.code == "model_answer_invalid"
    text = str(failed.value)
    assert "sender: Field required" in text
    assert "(read), (answer), (store)  (in brackets: not finished)" in text
    assert 'answer    {"wishes": []}' in text
    assert text.count("in read, 3 times") == 2, "three attempts, each with a repair turn"
    assert f"{Path(__file__)}:" in text, "the place in the stage"
    assert failed.value.__cause__ is None


def test_an_unscripted_question_fails_the_test_and_says_how_to_script_it(jobs: Jobs) -> None:
    jobs.answer("reed", CLUB)
    with pytest.raises(UnscriptedQuestion) as failed:
        jobs.run(MAIL, {}, check=False)
    text = str(failed.value)
    assert 'jobs.answer("read", {"sender": "…", "wishes": ["…"]})' in text
    assert "Read this letter: documents/not-a-file.txt" in text
    assert "The test has answers for: the stage reed." in text


def test_an_error_of_the_code_is_the_cause_and_its_traceback_begins_in_the_analysis(jobs: Jobs) -> None:
    def broken(_: Job[Mail]) -> Outcome:
        raise ZeroDivisionError("by nothing")

    with pytest.raises(JobFailed, match="unexpected_error") as failed:
        jobs.run(Analysis("broken", request=Mail, result=Outcome, stages=[broken]), {})
    cause = failed.value.__cause__
    assert isinstance(cause, ZeroDivisionError)
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_name == "broken"


def test_the_stages_own_errors_end_the_job(jobs: Jobs) -> None:
    jobs.answer(read, Fail("letter_rude", "The letter is rude."))
    with pytest.raises(JobFailed, match="letter_rude: The letter is rude") as failed:
        jobs.run(MAIL, {})
    assert (failed.value.job.attempts, failed.value.message) == (1, "The letter is rude.")


def test_tokens_and_the_time_of_an_answer_can_be_given(jobs: Jobs) -> None:
    jobs.configure(model_prices={"m": {"input": 1, "output": 10}}, model_id="m")
    letter = {"sender": "x"}
    jobs.answer(read, Answer(letter, takes=timedelta(minutes=3), input_tokens=1_000_000, output_tokens=100_000))
    done = jobs.run(MAIL, {})
    assert (done.usage.input_tokens, str(done.cost_usd)) == (1_000_000, "2.000000")
    assert done.took == timedelta(minutes=3)


# Documents


def test_paths_in_fields_of_documents_are_uploaded_and_other_texts_stay(scripted: Jobs, tmp_path: Path) -> None:
    note = tmp_path / "note of a club.txt"
    note.write_text("Please send a key.", encoding="utf-8")
    done = scripted.run(MAIL, {"letter": str(note), "enclosed": [note, str(note)]})
    assert done.questions[0].prompt == "Read this letter: Please send a key."
    given = load_json(done._backend.artifacts, done.record.input)  # noqa: SLF001 - the input is not public
    assert [name.partition("/")[2] for name in given["enclosed"]] == ["note-of-a-club.txt"] * 2
    assert given["title"] == "documents/not-a-file.txt"


def test_a_request_can_be_an_instance_of_its_model(scripted: Jobs) -> None:
    letter = scripted.upload("letter.txt", b"A lamp, please.")
    done = scripted.run(MAIL, Mail(letter=letter))
    assert "A lamp, please." in done.questions[0].prompt


def test_a_missing_file_is_named_with_the_folders(jobs: Jobs) -> None:
    with pytest.raises(FileNotFoundError, match=r"no file missing\.pdf in .*handlers"):
        jobs.run(MAIL, {"letter": "missing.pdf"})


def test_the_input_is_refused_as_by_the_api(jobs: Jobs) -> None:
    with pytest.raises(InvalidRequestError, match=r"input\.enclosed: Input should be a valid array"):
        jobs.run(MAIL, {"enclosed": 3})
    with pytest.raises(InvalidRequestError, match="priority"):
        jobs.run(MAIL, {}, priority="urgent")


# Surroundings


def test_the_active_prompts_of_the_projects_folder_are_used(tmp_path: Path) -> None:
    (tmp_path / "letters" / "tests").mkdir(parents=True)
    (tmp_path / "letters" / "wording").mkdir()
    (tmp_path / "letters" / "pyproject.toml").write_text('[tool.analysis-jobs]\nprompts = "wording"\n', "utf-8")
    text = 'section = "letters"\nsub_section = "read"\ncategories = ["post"]\nversion = {}\nis_active = {}\n'
    for version, is_active in ((3, "true"), (12, "true"), (13, "false")):
        template = f'user_prompt_template = "Version {version}: {{letter}}"\n'
        file = tmp_path / "letters" / "wording" / f"read-{version}.toml"
        file.write_text(text.format(version, is_active) + template, "utf-8")
    jobs = Jobs(ProjectFiles.around(tmp_path / "letters" / "tests"))
    jobs.answer(read, {"sender": "x"})
    done = jobs.run(MAIL, {"title": "hello"})
    assert (done.prompts, done.questions[0].prompt) == ({"read": "letters/read@v12"}, "Version 12: hello")


def test_secrets_are_read_by_their_names(jobs: Jobs) -> None:
    def look(job: Job[Mail]) -> Outcome:
        return Outcome(sender=job.secret("KEY"), answers=[job.secret_json("LOGIN")["user"]])

    analysis = Analysis("secrets", request=Mail, result=Outcome, stages=[look])
    with pytest.raises(JobFailed, match=r"(?s)no secret KEY.*Hint: give the job its secret: jobs\.secret"):
        jobs.run(analysis, {})
    jobs.secret("KEY", "abc")
    jobs.secret("LOGIN", {"user": "ada"})
    assert jobs.run(analysis, {}).result == Outcome(sender="abc", answers=["ada"])


def test_an_unknown_setting_is_refused(jobs: Jobs) -> None:
    with pytest.raises(ValueError, match=r"there is no setting model; the settings are .*model_id"):
        jobs.configure(model="x")


def test_findings_come_from_the_result_or_from_a_stage(jobs: Jobs) -> None:
    def check(_: Job[Mail]) -> Checked:
        return Checked(
            findings=[Finding(field="a", value=1, rule="maximum", message="")], confidence={}, needs_review=True
        )

    def finish(_: Job[Mail]) -> Outcome:
        return Outcome(sender="x", answers=[])

    done = jobs.run(Analysis("checks", request=Mail, result=Outcome, stages=[check, finish]), {})
    assert [finding.field for finding in done.findings] == ["a"]
    assert jobs.run(Analysis("none", request=Mail, result=Outcome, stages=[finish]), {}).findings == []


def test_the_jobs_of_two_tenants_do_not_see_each_others_documents(scripted: Jobs) -> None:
    theirs = scripted.upload("letter.txt", b"ours", tenant="globex")
    failed = scripted.run(MAIL, {"letter": theirs}, check=False)
    assert failed.error is not None
    assert failed.error.code == "document_not_found"
    assert scripted.run(MAIL, {"letter": theirs}, tenant="globex").record.tenant == "globex"


def test_each_test_gets_an_empty_database_with_the_librarys_table(jobs: Jobs) -> None:
    def count_effects(job: Job[Mail]) -> Outcome:
        with job.database("DATABASE").once(job, effect="note") as cursor:
            assert cursor is not None
            cursor.execute("INSERT INTO notes VALUES (%s)", (job.job_id,))
        return Outcome(sender="x", answers=[])

    analysis = Analysis("effects", request=Mail, result=Outcome, stages=[count_effects])
    for _ in range(2):
        database = jobs.database("DATABASE")
        database.execute("CREATE TABLE notes (text text)")
        done = jobs.run(analysis, {})
        assert database.query(
            "SELECT text, effect FROM notes, analysis_jobs_effects WHERE job_id = %s", done.job_id
        ) == [{"text": done.job_id, "effect": "note"}]


def test_a_database_needs_the_fixture(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="use the fixture `jobs`"):
        Jobs(ProjectFiles.around(tmp_path)).database("DATABASE")


# The kit


def test_no_aws_client_is_made(scripted: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("a client of AWS was made")

    monkeypatch.setattr("boto3.client", refuse)
    assert scripted.run(MAIL, {}).status == "completed"


def test_the_plugin_can_be_loaded_by_every_python_of_the_base() -> None:
    source = Path(plugin.__file__).read_text(encoding="utf-8")
    ast.parse(source, feature_version=(3, 11))
    imported = [node for node in ast.parse(source).body if isinstance(node, ast.Import | ast.ImportFrom)]
    assert {ast.unparse(node) for node in imported} == {
        "from __future__ import annotations",
        "import sys",
        "from importlib.util import find_spec",
        "from typing import TYPE_CHECKING, Any",
        "import pytest",
    }


def test_every_public_name_can_be_imported() -> None:
    assert all(getattr(testing, name).__name__ == name for name in testing.__all__)
    with pytest.raises(AttributeError, match="no attribute Job"):
        _ = testing.Job


def test_the_kit_imports_neither_the_developer_tools_nor_our_tests() -> None:
    for path in Path(plugin.__file__).parent.glob("*.py"):
        nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.ImportFrom)]
        tops = {str(node.module).partition(".")[0] for node in nodes}
        assert tops & {"analysis_jobs_dev", "tests"} == set(), path.name
