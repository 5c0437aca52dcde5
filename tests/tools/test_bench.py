"""The benchmark: the limits on requests per job, the comparison of figures, and the documents that show them."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from bench import __main__ as program
from bench import cold, documents, job_requests, topics
from bench.figures import Figure, Run, best_of, compared, dumped, load, merged, shown

RATIO = Figure("cold", "api, ready", 2.0, "x")
COUNT = Figure("requests", "POST /jobs", 3, "", counted=True)
ROWS = Figure("sweeper", "living rows", 100_000, "rows", higher_is_better=True)
KEPT = (RATIO, COUNT, ROWS)


@pytest.fixture(scope="module")
def steps() -> dict[str, Counter[str]]:
    return job_requests.requests()


# A submission with a document has one more request, for the document's version. With a key it has another one, which
# looks the key up: a repeated submission must not ask for the document.
@pytest.mark.parametrize(
    ("step", "most"),
    [
        ("POST /uploads", 0),
        ("POST /jobs", 3),
        ("the worker, one job", 6),
        ("the worker, the same message again", 1),
        ("GET /jobs/{job_id}", 1),
        ("GET /jobs", 1),
        ("the sweeper, nothing overdue", 4),
        ("an own route, with a key", 4),
        ("the same key again", 2),
        ("an own status route", 2),
    ],
)
def test_no_step_makes_more_requests_than_it_did(steps: dict[str, Counter[str]], step: str, most: int) -> None:
    assert steps[step].total() <= most, steps[step]


def test_a_job_is_one_call_of_the_model_and_no_scan(steps: dict[str, Counter[str]]) -> None:
    made = sum(steps.values(), Counter[str]())
    assert made["bedrock-runtime:ConverseStream"] == 1
    assert made["dynamodb:Scan"] == made["s3:ListObjectsV2"] == 0


def test_a_regression_is_named_with_its_figure_before_and_after() -> None:
    slower, more, fewer = replace(RATIO, value=2.3), replace(COUNT, value=4), replace(ROWS, value=80_000)
    found = [str(change) for change in compared(KEPT, [slower, more, fewer]) if change.is_regression]
    assert found == [
        "requests: POST /jobs: 3 before, 4 now (33% worse)",
        "sweeper: living rows: 100,000 rows before, 80,000 rows now (20% worse)",
        "cold: api, ready: 2 x before, 2.30 x now (15% worse)",
    ]


@pytest.mark.parametrize("value", [1.0, 1.9, 2.0, 2.1, 2.19])
def test_noise_under_ten_per_cent_and_a_better_figure_are_no_regression(value: float) -> None:
    assert not any(change.is_regression for change in compared(KEPT, [replace(RATIO, value=value)]))


def test_a_count_that_was_zero_is_a_regression_when_it_is_not() -> None:
    none = Figure("requests", "POST /uploads", 0, "", counted=True)
    [change] = compared([none], [replace(none, value=1)])
    assert change.is_regression
    assert str(change).endswith("0 before, 1 now (was 0)")


def test_a_new_figure_and_one_that_was_not_measured_are_not_compared() -> None:
    assert compared([RATIO], [COUNT]) == []


def test_the_better_one_of_two_runs_counts() -> None:
    again = [replace(RATIO, value=1.5), replace(ROWS, value=90_000)]
    assert [figure.value for figure in best_of([RATIO, ROWS], again)] == [1.5, 100_000]


def test_the_kept_figures_are_read_as_they_were_written(tmp_path: Path) -> None:
    file = tmp_path / "figures.json"
    run = Run({"cold": "abc"}, "3.13.0", 2, (replace(RATIO, wanted=1.3, detail="400 ms"), COUNT, ROWS))
    file.write_text(dumped(run, topics.NAMES), encoding="utf-8")
    kept = load(file)
    assert kept.commits == {"cold": "abc"}
    assert {figure.key: figure for figure in kept.figures} == {figure.key: figure for figure in run.figures}
    assert load(tmp_path / "none.json").figures == ()


def test_figures_of_topics_that_were_not_measured_stay() -> None:
    new = replace(COUNT, value=2)
    both = merged(Run({"cold": "old", "requests": "old"}, "", 1, KEPT), Run({"requests": "new"}, "", 1, (new,)))
    assert set(both.figures) == {RATIO, new, ROWS}
    assert both.commits == {"cold": "old", "requests": "new"}


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (100_000, "100,000"), (1234.5, "1,234"), (2.345, "2.35"), (0.0412, "0.0412")]
)
def test_a_value_has_about_three_digits(value: float, text: str) -> None:
    assert shown(value) == text


def test_what_stands_between_the_markers_is_replaced_and_the_rest_stays() -> None:
    text = f"# Benchmarks\n\nBefore.\n\n{documents.BEGIN}\nold\n{documents.END}\n\nAfter.\n"
    once = documents.replaced(text, "new")
    assert once == f"# Benchmarks\n\nBefore.\n\n{documents.BEGIN}\n\nnew\n\n{documents.END}\n\nAfter.\n"
    assert documents.replaced(once, "new") == once


def test_a_file_without_markers_gets_them_at_its_end() -> None:
    assert documents.replaced("# Benchmarks\n", "new") == (
        f"# Benchmarks\n\n{documents.BEGIN}\n\nnew\n\n{documents.END}\n"
    )


def test_both_documents_show_the_kept_figures() -> None:
    """`python -m bench --documents` writes them."""
    kept = load(documents.FIGURES)
    for path, section in ((documents.BENCHMARKS, documents.benchmarks(kept)), (documents.SCALE, documents.scale(kept))):
        assert f"{documents.BEGIN}\n\n{section}\n\n{documents.END}" in path.read_text(encoding="utf-8")


def test_every_topic_has_kept_figures() -> None:
    assert {figure.topic for figure in load(documents.FIGURES).figures} == set(topics.NAMES)


def test_every_program_is_measured_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cold, "RUNS", 1)
    monkeypatch.setattr(cold, "HANDLERS", ("events",))
    found = cold.milliseconds()
    assert list(found) == [cold.BASELINE, *cold.OTHERS, "events, imported", "events, ready"]
    assert all(each > 0 for each in found.values())


class Measured:
    """A topic that returns one value after the other."""

    def __init__(self, *values: float, counted: bool = False) -> None:
        self.values = list(values)
        self.counted = counted

    def __call__(self) -> Sequence[Figure]:
        return [Figure("cold", "api, ready", self.values.pop(0), "x", counted=self.counted)]


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that keeps the figure 2 x."""
    file = tmp_path / "benchmarks.json"
    file.write_text(dumped(Run({"cold": "abc"}, "3.13.0", 2, (RATIO,)), topics.NAMES), encoding="utf-8")
    monkeypatch.setattr(program, "FIGURES", file)
    monkeypatch.setattr(program, "REPOSITORY", tmp_path)
    monkeypatch.setattr(program, "write", lambda _: [])
    return file


def measured(monkeypatch: pytest.MonkeyPatch, *values: float, counted: bool = False) -> Measured:
    measure = Measured(*values, counted=counted)
    monkeypatch.setattr(program, "TOPICS", (replace(topics.TOPICS[0], name="cold", measure=measure),))
    return measure


@pytest.mark.usefixtures("kept")
def test_a_regression_fails_the_check_and_is_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(monkeypatch, 3, 2.5)
    assert program.main(["--check"]) == 1
    assert "regression: cold: api, ready: 2 x before, 2.50 x now (25% worse)" in capsys.readouterr().out


@pytest.mark.usefixtures("kept")
def test_a_regression_that_a_second_run_does_not_show_is_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    measured(monkeypatch, 3, 2.1)
    assert program.main(["--check"]) == 0


@pytest.mark.usefixtures("kept")
def test_a_count_is_not_measured_again(monkeypatch: pytest.MonkeyPatch) -> None:
    topic = measured(monkeypatch, 3, 2, counted=True)
    assert program.main(["--check"]) == 1
    assert topic.values == [2]


@pytest.mark.usefixtures("kept")
def test_without_check_a_regression_is_named_and_does_not_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(monkeypatch, 3)
    assert program.main([]) == 0
    assert "regression: cold: api, ready" in capsys.readouterr().out


def test_only_write_keeps_the_new_figures(kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = kept.read_text(encoding="utf-8")
    measured(monkeypatch, 1)
    program.main([])
    assert kept.read_text(encoding="utf-8") == before
    measured(monkeypatch, 1)
    program.main(["--write"])
    assert json.loads(kept.read_text(encoding="utf-8"))["figures"][0]["value"] == 1


def test_a_topic_that_does_not_exist_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        program.main(["no-such-topic"])
    assert "sweeper" in capsys.readouterr().err
