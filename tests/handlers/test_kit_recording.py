"""The test kit: answers of a model are recorded once and replayed, and a changed question fails with a difference."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import BaseModel

from analysis_jobs import Analysis, Attachment, Fail, Job, fill_prompt
from analysis_jobs.base.cancellation import CancellationToken
from analysis_jobs.base.errors import Defer
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Question, Reply
from analysis_jobs.testing import Jobs, RecordingDiffers
from analysis_jobs.testing.project import ProjectFiles
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.conftest import KIT, pytest_plugins
from tests.handlers.pdfs import REPOSITORY

PICTURE = Attachment(b"GIF89a", "image/gif", "a.gif")


class Words(BaseModel):
    """The input."""

    words: list[str]
    style: str = "short"


class Meanings(BaseModel):
    """The result."""

    meanings: list[str]


class Meaning(BaseModel):
    """What a word means."""

    text: str


def look_up(job: Job[Words]) -> Meanings:
    def one(word: str) -> str:
        prompt = fill_prompt("Explain this word, {style}:\n<word>\n{word}\n</word>", style=job.request.style, word=word)
        return job.ask(prompt, answer=Meaning, attachments=[PICTURE]).text

    return Meanings(meanings=job.each(job.request.words, one, at_once=4))


DICTIONARY = Analysis("dictionary", request=Words, result=Meanings, stages=[look_up])
GIVEN = {"words": ["lamp", "key", "lamp"]}


class Real:
    """A model that numbers its answers. It asks the job to wait before the first one."""

    def __init__(self, fault: Fail | None = None) -> None:
        self.asked = 0
        self._fault = fault

    def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:  # noqa: ARG002
        """See `Model.ask`."""
        self.asked += 1
        data = {"text": f"meaning {self.asked}"}
        return Reply(json.dumps(data), data, "tool_use", Usage(1, 7, self.asked), self._fault)


def recorded(folder: Path, model: Real) -> Path:
    """Record the answers of a model, and return the file."""
    jobs = Jobs(ProjectFiles.around(folder), "test_words[1]", records=True)
    jobs.recorded("words.json", model=model)
    jobs.run(DICTIONARY, GIVEN, check=False)
    jobs.close()
    return folder / "words.json"


def replaying(folder: Path) -> Jobs:
    """Return jobs that answer from the recording."""
    jobs = Jobs(ProjectFiles.around(folder), "test_words[1]")
    jobs.recorded("words.json")
    return jobs


def test_a_recording_is_replayed_without_the_model(tmp_path: Path) -> None:
    model = Real()
    recorded(tmp_path, model)
    done = replaying(tmp_path).run(DICTIONARY, GIVEN)
    assert sorted(done.result.meanings) == ["meaning 1", "meaning 2", "meaning 3"]
    assert (done.usage, model.asked) == (Usage(3, 21, 6), 3)


def test_a_file_says_what_was_asked_and_has_no_ids(tmp_path: Path) -> None:
    [first, *_] = json.loads(recorded(tmp_path, Real()).read_text("utf-8"))["asked"]
    question = first["question"]
    assert (question["stage"], question["prompt"][0]) == ("look_up", "Explain this word, short:")
    assert question["attachments"][0]["name"] == "a.gif"
    assert question["schema"]["properties"] == {"text": {"title": "Text", "type": "string"}}
    assert "job_id" not in json.dumps(question)


def test_a_changed_question_fails_with_the_difference(tmp_path: Path) -> None:
    recorded(tmp_path, Real())
    with pytest.raises(RecordingDiffers) as failed:
        replaying(tmp_path).run(DICTIONARY, {"words": ["lamp"], "style": "in verse"}, check=False)
    text = str(failed.value)
    assert '-    "Explain this word, short:",' in text
    assert '+    "Explain this word, in verse:",' in text
    assert "record again: --record-answers" in text


def test_a_question_of_a_new_stage_fails(tmp_path: Path) -> None:
    recorded(tmp_path, Real())

    def other(job: Job[Words]) -> Meanings:
        return Meanings(meanings=[job.ask("Something new")])

    with pytest.raises(RecordingDiffers, match="has no further question of this stage"):
        replaying(tmp_path).run(Analysis("other", request=Words, result=Meanings, stages=[other]), GIVEN)


def test_scripted_answers_and_faults_come_before_a_recording(tmp_path: Path) -> None:
    recorded(tmp_path, Real())
    jobs = replaying(tmp_path)
    jobs.throttle(times=1)
    jobs.cut(times=1)
    jobs.answer_with(lambda asked: {"text": "scripted"} if "key" in asked.prompt else None)
    assert "scripted" in jobs.run(DICTIONARY, GIVEN).result.meanings


def test_a_refused_answer_is_replayed_as_refused(tmp_path: Path) -> None:
    recorded(tmp_path, Real(Fail("model_refused", "No.")))
    failed = replaying(tmp_path).run(DICTIONARY, GIVEN, check=False)
    assert failed.error is not None
    assert (failed.error.code, failed.error.message) == ("model_refused", "No.")


def test_a_busy_model_is_asked_again_after_a_real_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Busy(Real):
        def ask(self, question: Question, on_chunk: Callable[[str], None], cancellation: CancellationToken) -> Reply:
            reply = super().ask(question, on_chunk, cancellation)
            if self.asked == 1:
                raise Defer("model_throttled", "busy")
            return reply

    pauses: list[float] = []
    monkeypatch.setattr("analysis_jobs.base.clock.time.sleep", pauses.append)
    recorded(tmp_path, Busy())
    assert pauses == [5.0]
    assert len(replaying(tmp_path).run(DICTIONARY, GIVEN).result.meanings) == 3


def test_without_a_recording_the_error_names_the_option(tmp_path: Path) -> None:
    jobs = Jobs(ProjectFiles.around(tmp_path), "test_words")
    with pytest.raises(FileNotFoundError, match=r"recordings.test_words\.json: run this test once with --record-ans"):
        jobs.recorded()


def test_a_file_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / "words.json").write_text('{"format": 0}', "utf-8")
    with pytest.raises(ValueError, match="another format"):
        replaying(tmp_path)


def test_the_option_of_pytest_records_from_bedrocks_endpoint(tmp_path: Path) -> None:
    """As a project does it: the endpoint and the credentials are those of the environment."""
    test = (
        "from letter_summary import letter_summary\n\n\n"
        "def test_letter(jobs):\n    jobs.recorded()\n"
        "    assert jobs.run(letter_summary, {'letter': jobs.upload('a.txt', b'Sender: Ada')}).result.sender == 'Ada'\n"
    )
    (tmp_path / "test_letter.py").write_text(test, "utf-8")
    (tmp_path / "pyproject.toml").touch()
    plugin = ["-p", KIT] if pytest_plugins else []
    path = os.pathsep.join(str(REPOSITORY / folder) for folder in ("handlers", "examples/minimal"))

    def run(*options: str, **environment: str) -> None:
        ran = subprocess.run(
            [sys.executable, "-m", "pytest", *plugin, "-q", "-W", "error", "-p", "no:cacheprovider", *options],
            cwd=tmp_path,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": path, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
        assert ran.returncode == 0, ran.stdout

    with StandIn() as stand_in:
        keys = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "eu-west-1"}
        run("--record-answers", AWS_ENDPOINT_URL_BEDROCK_RUNTIME=stand_in.url, **keys)
    assert (tmp_path / "recordings" / "test_letter.json").is_file()
    run()
