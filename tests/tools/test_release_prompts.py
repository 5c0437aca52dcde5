"""Prompts are released with the code: tried by a canary first, active with the move, and back with it."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from analysis_jobs.prompts import DynamoPromptStore
from analysis_jobs.prompts.library import PromptLibrary
from analysis_jobs_dev.release.machine import Step
from analysis_jobs_dev.release.report import Outcome
from analysis_jobs_dev.release.rollback import Rollback
from analysis_jobs_dev.release.stack import Stack
from tests.tools.releases import FUNCTIONS, MINUTE, Site

SECOND = dict.fromkeys(FUNCTIONS, "2")
STEPS = (Step(10, 5 * MINUTE), Step(50, 5 * MINUTE))


def write_prompt(site: Site, template: str) -> PromptLibrary:
    """Write the project's prompt file."""
    folder = site.project / "prompts"
    folder.mkdir(exist_ok=True)
    (folder / "letter.toml").write_text(
        f'section = "letters"\nsub_section = "summarise"\ncategories = ["all"]\n'
        f'user_prompt_template = "{template} <letter>{{letter}}</letter>"\n',
        "utf-8",
    )
    site.prompts = folder
    return PromptLibrary(site.clients["dynamodb"], "prompts", site.clock)


def test_a_changed_prompt_runs_in_the_canary_first_and_becomes_active_with_the_move(site: Site) -> None:
    library = write_prompt(site, "Summarise.")
    site.release("2").run()
    assert library.head("letters/summarise").active == {"all": 1}
    write_prompt(site, "Summarise well.")
    site.functions.marks.clear()
    active: list[Any] = []
    site.functions.on_call = lambda _: active.append(library.head("letters/summarise").active)
    report = site.release("3").run()
    assert site.functions.marks[0] == {"prompts": {"letters/summarise": 2}}
    assert active == [{"all": 1}] * len(active)
    assert (report.outcome, library.head("letters/summarise").active) == (Outcome.DEPLOYED, {"all": 2})


def test_a_bad_prompt_never_becomes_active(site: Site) -> None:
    library = write_prompt(site, "Summarise.")
    site.release("2").run()
    write_prompt(site, "Say nothing.")
    site.functions.job = {"result": {"summary": "", "pages": 2}}
    report = site.release("2").run()  # the prompt alone has changed
    assert (report.outcome, library.head("letters/summarise").active) == (Outcome.WENT_BACK, {"all": 1})


def test_a_prompt_goes_back_with_the_code_that_an_alarm_stops(site: Site) -> None:
    library = write_prompt(site, "Summarise.")
    site.release("2").run()
    write_prompt(site, "Summarise well.")
    seen: list[dict[str, int]] = []
    sleep = site.clock.sleep

    def ring_at_the_end(duration: timedelta) -> None:
        seen.append(dict(library.head("letters/summarise").active))
        if seen[-1] == {"all": 2}:
            site.ring("letters-jobs-failed")
        sleep(duration)

    site.clock.sleep = ring_at_the_end  # type: ignore[method-assign]
    report = site.release("3", steps=STEPS).run()
    assert (report.outcome, site.live()) == (Outcome.WENT_BACK, SECOND)
    assert seen[-1] == {"all": 2}
    assert library.head("letters/summarise").active == {"all": 1}
    assert "the prompt letters/summarise has its earlier version again" in report.undone


def test_a_rollback_takes_prompts_along_and_a_second_one_brings_them_back(site: Site) -> None:
    library = write_prompt(site, "Summarise.")
    site.release("2").run()
    write_prompt(site, "Summarise well.")
    site.release("3").run()
    stack = Stack.of(site.deployment())
    for wanted in ({"all": 1}, {"all": 2}, {"all": 1}):
        Rollback(stack, site.client, "tests", site.clock, site.lines.append).run()
        assert library.head("letters/summarise").active == wanted
    site.release("3").run()
    assert library.head("letters/summarise").active == {"all": 2}, "a deployment of that code activates it again"


def test_a_release_of_other_code_leaves_the_prompt_that_an_operator_has_changed(site: Site) -> None:
    library = write_prompt(site, "Summarise.")
    site.release("2").run()
    better = replace(library.version("letters/summarise", 1), version=0, system_prompt="Be brief.")
    library.put(better, activate=True)
    site.release("3").run()
    assert library.head("letters/summarise").active == {"all": 2}


def test_old_and_new_code_each_use_their_own_prompt_while_both_run(site: Site) -> None:
    """A template and the code that fills it change together. A job of the old code would fail with the new one."""
    library = write_prompt(site, "Summarise.")
    site.release("2").run()
    write_prompt(site, "Summarise for {reader}.")
    seen: list[tuple[int, int]] = []
    sleep = site.clock.sleep

    def read(code: str) -> int:
        prompt = DynamoPromptStore(site.clients["dynamodb"], "prompts", code).active("letters", "summarise", "all")
        assert prompt
        return prompt.version

    def look(duration: timedelta) -> None:
        seen.append((read("2"), read("3")))
        sleep(duration)

    site.clock.sleep = look  # type: ignore[method-assign]
    report = site.release("3", steps=STEPS).run()
    assert report.outcome is Outcome.DEPLOYED
    assert "letters/summarise: the active version v1 does not have {reader}" in "\n".join(report.steps[2].lines)
    assert set(seen) == {(1, 2)}
    assert (read("2"), read("3"), read("4")) == (1, 2, 2)
    Rollback(Stack.of(site.deployment()), site.client, "tests", site.clock, site.lines.append).run()
    assert (read("2"), read("3"), read("4")) == (1, 2, 1), "jobs that still run on the newer code end with its prompt"
    library.activate("letters/summarise", 2)
    assert read("2") == 2, "what an operator activates is for all"
