"""A release, step by step, on moto: what goes into service, and what comes back if a step fails."""

import json
import threading
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.base.clock import ManualClock
from analysis_jobs_dev.release.errors import RecordLostError, ReleaseError, ReleaseRunningError
from analysis_jobs_dev.release.machine import Step
from analysis_jobs_dev.release.record import KEY, Begun, Record
from analysis_jobs_dev.release.report import Outcome, Report
from analysis_jobs_dev.release.rollback import Rollback
from analysis_jobs_dev.release.stack import Stack
from analysis_jobs_dev.release.versions import CANDIDATE, PREVIOUS
from tests.tools.releases import CANARY, FUNCTIONS, MINUTE, Site

FIRST = dict.fromkeys(FUNCTIONS, "1")
SECOND = dict.fromkeys(FUNCTIONS, "2")
STEPS = (Step(10, 5 * MINUTE), Step(50, 5 * MINUTE))


def failed(site: Site, report: Report) -> str:
    """Return why a release failed, after a look at what it left."""
    assert (report.outcome, site.live(), site.versions.moving()) == (Outcome.WENT_BACK, FIRST, [])
    item = site.clients["dynamodb"].get_item(TableName="jobs", Key=KEY)["Item"]
    assert {"lock_owner", "begun"}.isdisjoint(item)
    return "\n".join(report.conclusion())


def test_a_release_probes_and_tries_the_new_version_before_callers_reach_it(site: Site) -> None:
    seen: list[dict[str, str]] = []
    site.functions.on_call = lambda _: seen.append(site.live())
    report = site.release("2").run()
    assert (report.outcome, site.live(), site.versions.of(PREVIOUS)) == (Outcome.DEPLOYED, SECOND, FIRST)
    assert [step.name for step in report.steps] == ["read", "apply", "probe", "canaries", "move", "finish"]
    assert [kind for kind, _ in site.functions.calls][:4] == ["probe"] * 4
    assert ("api", "POST /jobs") in site.functions.calls
    assert seen == [FIRST] * len(seen), "nothing moves before the canaries have ended"


def test_a_first_deployment_is_in_service_at_once_and_runs_its_canaries(site: Site) -> None:
    other = replace(site, exists=False, applies=0)
    for name in FUNCTIONS.values():
        site.functions.client.delete_function(FunctionName=name)
        site.clients["iam"].delete_role(RoleName=name)
    site.functions.job = {"result": {"summary": "", "pages": 2}}
    report = other.release("1").run()
    assert (report.outcome, set(other.live().values())) == (Outcome.FAILED, {"1"})
    assert 'summary: wanted a value that is not empty, found ""' in "\n".join(report.conclusion())


def test_the_same_code_again_changes_nothing(site: Site) -> None:
    report = site.release("1").run()
    assert (report.outcome, site.live(), site.functions.calls) == (Outcome.UNCHANGED, FIRST, [])
    assert report.conclusion() == ["Unchanged 1."]


def test_a_version_that_was_tried_in_vain_is_tried_again(site: Site) -> None:
    site.functions.broken = {"worker": "No module named 'numpy'"}
    site.release("2").run()
    site.functions.broken = {}
    applies = site.applies
    report = site.release("2").run()
    assert (report.outcome, site.live(), site.applies) == (Outcome.DEPLOYED, SECOND, applies)


@pytest.mark.parametrize("function", sorted(FUNCTIONS))
def test_a_function_that_does_not_start_never_gets_a_call(site: Site, function: str) -> None:
    site.functions.broken = {function: "No module named 'numpy'"}
    said = failed(site, site.release("2").run())
    assert f"The function letters-{function} does not start: Runtime.ImportModuleError: No module named 'numpy'" in said
    assert "ModuleNotFoundError" in said, "the end of the log is in the report"
    assert ("api", "POST /jobs") not in site.functions.calls


@pytest.mark.parametrize(
    ("job", "why"),
    [
        (
            {"status": "failed", "error": {"code": "access_denied", "message": "not authorized"}},
            "it failed: access_denied: not authorized",
        ),
        ({"result": {"summary": "x", "pages": 3}}, "pages: wanted 2, found 3"),
        ({"result": {"pages": 2}}, "summary: wanted a value that is not empty, found no such field"),
        ({"cost_usd": 0.75}, "it cost 0.7500 USD, and at most 0.5 USD are allowed"),
        ({"cost_usd": None}, "its cost is unknown"),
        ({"code_version": "1"}, "the code 1 ran it, and the package is 2"),
    ],
)
def test_a_canary_that_is_not_as_expected_goes_back_and_says_why(site: Site, job: dict[str, Any], why: str) -> None:
    site.functions.job = job
    said = failed(site, site.release("2").run())
    assert "The canary canary of letter-summary failed" in said
    assert why in said
    assert "Went back: callers never reached the new version" in said


def test_a_slow_canary_is_cancelled_at_its_time_limit(site: Site) -> None:
    site.functions.ends_after = 1_000
    said = failed(site, site.release("2").run())
    assert "it did not end within its time limit of 60 s" in said
    assert ("api", "POST /jobs/01j/cancel") in site.functions.calls


def test_a_canary_that_gets_too_expensive_is_cancelled_while_it_runs(site: Site) -> None:
    site.functions.ends_after, site.functions.job = 1_000, {"cost_usd": 0.51}
    begun = site.clock.now()
    assert "it cost 0.5100 USD" in failed(site, site.release("2").run())
    assert site.clock.now() - begun < timedelta(seconds=10)


def test_a_package_without_a_canary_says_that_nothing_was_tried(site: Site) -> None:
    release = site.release("2")
    release.package.manifest["declarations"]["analyses"][0]["canaries"] = []
    report = release.run()
    assert report.outcome is Outcome.DEPLOYED
    assert "the package declares no canary: no job was run on the new version" in report.steps[3].lines


def test_steps_move_the_worker_first_and_the_api_at_the_end(site: Site) -> None:
    seen: list[dict[str, float]] = []
    sleep = site.clock.sleep

    def look(duration: timedelta) -> None:
        alias = site.functions.client.get_alias(FunctionName="letters-worker", Name="live")
        api = site.functions.client.get_alias(FunctionName="letters-api", Name="live")["FunctionVersion"]
        weights = (alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {}
        seen.append({"worker": weights.get("2", float(alias["FunctionVersion"] == "2")), "api": float(api == "2")})
        sleep(duration)

    site.clock.sleep = look  # type: ignore[method-assign]
    begun = site.clock.now()
    report = site.release("2", steps=STEPS).run()
    distinct = [each for number, each in enumerate(seen) if number == 0 or each != seen[number - 1]]
    assert distinct == [{"worker": 0.1, "api": 0.0}, {"worker": 0.5, "api": 0.0}, {"worker": 1.0, "api": 1.0}]
    assert (report.outcome, site.live()) == (Outcome.DEPLOYED, SECOND)
    assert site.clock.now() - begun >= 15 * MINUTE, "the last step is watched as long as the one before"


def test_an_alarm_in_the_second_step_goes_back(site: Site) -> None:
    sleep, waits = site.clock.sleep, []

    def ring_later(duration: timedelta) -> None:
        waits.append(duration)
        if sum(waits, timedelta()) > 6 * MINUTE:
            site.ring("letters-jobs-failed")
        sleep(duration)

    site.clock.sleep = ring_later  # type: ignore[method-assign]
    said = failed(site, site.release("2", steps=STEPS).run())
    assert "The alarm letters-jobs-failed rings." in said
    assert "letters-jobs-failed: 3 errors in 5 minutes" in said
    assert "worker runs version 1 again" in said
    assert sum(waits, timedelta()) < 10 * MINUTE


def test_an_alarm_that_rings_already_stops_nothing_until_it_rings_again(site: Site) -> None:
    site.ring("letters-worker-errors")
    assert site.release("2", steps=STEPS).run().outcome is Outcome.DEPLOYED
    sleep, waits = site.clock.sleep, []

    def quiet_then_loud(duration: timedelta) -> None:
        waits.append(duration)
        site.ring("letters-worker-errors", "OK" if len(waits) == 2 else "ALARM")
        sleep(duration)

    site.clock.sleep = quiet_then_loud  # type: ignore[method-assign]
    report = site.release("3", steps=STEPS).run()
    assert (report.outcome, site.live()) == (Outcome.WENT_BACK, SECOND)


def test_a_root_that_ignores_the_versions_in_service_is_refused_before_its_apply(site: Site) -> None:
    site.moved = ["module.analysis_jobs.module.worker.aws_lambda_alias.live"]
    applies = site.applies
    said = failed(site, site.release("2").run())
    assert "does not pass package.live_versions to the module" in said
    assert site.applies == applies


def test_a_failed_apply_leaves_everything_in_service(site: Site) -> None:
    def fail() -> None:
        raise RuntimeError("Error: AccessDenied")

    site.on_apply = fail
    assert "RuntimeError: Error: AccessDenied" in failed(site, site.release("2").run())


def test_ctrl_c_goes_back_and_ends_the_program(site: Site) -> None:
    def stop(_: timedelta) -> None:
        raise KeyboardInterrupt

    site.clock.sleep = stop  # type: ignore[assignment, method-assign]
    release = site.release("2", steps=STEPS)
    with pytest.raises(KeyboardInterrupt):
        release.run()
    assert "The release was stopped." in failed(site, release.report)


def test_a_release_whose_machine_died_is_undone_by_the_next_one(site: Site) -> None:
    site.wanted = site.release("2").package.manifest
    site.plan(FIRST)
    site.apply()
    with Record(site.clients["dynamodb"], "jobs", "a machine that dies", site.clock) as record:
        record.begin(Begun(FIRST, step="move"))
        site.versions.move("worker", "2", percent=50)
    assert site.versions.moving() == ["worker"]
    site.functions.broken = {"api": "broken"}
    report = site.release("2").run()
    assert "worker runs version 1 again" in [line for step in report.steps for line in step.lines]
    failed(site, report)


def test_a_rollback_undoes_an_interrupted_release(site: Site) -> None:
    with Record(site.clients["dynamodb"], "jobs", "a machine that dies", site.clock) as record:
        record.begin(Begun(FIRST, step="move"))
    report = Rollback(Stack.of(site.deployment()), site.client, "tests", site.clock, site.lines.append).run()
    assert (report.outcome, site.live()) == (Outcome.ROLLED_BACK, FIRST)


def test_two_releases_at_once_are_refused(site: Site) -> None:
    found: list[BaseException] = []

    def begin_another() -> None:
        try:
            replace(site, on_apply=lambda: None).release("3").run()
        except ReleaseRunningError as error:
            found.append(error)

    site.on_apply = begin_another
    assert site.release("2").run().outcome is Outcome.DEPLOYED
    assert "Another release is running, by tests since 2026-01-01T00:00:00" in str(found[0])
    with Record(site.clients["dynamodb"], "jobs", "me", site.clock), pytest.raises(ReleaseRunningError, match="by me"):
        Rollback(Stack.of(site.deployment()), site.client, "tests", site.clock, site.lines.append).run()


def test_a_lock_that_was_not_renewed_is_taken_over_and_its_holder_stops(site: Site) -> None:
    clock = site.clock
    assert isinstance(clock, ManualClock)
    with Record(site.clients["dynamodb"], "jobs", "asleep", clock) as asleep:
        clock.advance(3 * MINUTE)
        with Record(site.clients["dynamodb"], "jobs", "me", clock):
            with pytest.raises(RecordLostError):
                asleep.begin(Begun(FIRST))
            with pytest.raises(RecordLostError):
                asleep.check()


def test_a_rollback_moves_the_aliases_only_and_a_second_one_comes_back(site: Site) -> None:
    site.release("2").run()
    applies = site.applies
    stack = Stack.of(site.deployment())
    report = Rollback(stack, site.client, "tests", site.clock, site.lines.append).run()
    assert (report.outcome, site.live(), site.versions.of(PREVIOUS)) == (Outcome.ROLLED_BACK, FIRST, SECOND)
    Rollback(stack, site.client, "tests", site.clock, site.lines.append).run()
    assert (site.live(), site.applies) == (SECOND, applies)


def test_a_stack_with_one_deployment_has_nothing_to_go_back_to(site: Site) -> None:
    with pytest.raises(ReleaseError, match="There is no earlier version"):
        Rollback(Stack.of(site.deployment()), site.client, "tests", site.clock, site.lines.append).run()


def test_old_versions_are_deleted_and_never_one_that_an_alias_uses(site: Site) -> None:
    for version in ("2", "3", "4"):
        site.release(version, keep=1).run()
    clock = site.clock
    assert isinstance(clock, ManualClock)
    assert site.versions.prune(1, clock) == {}, "a young version may still run"
    clock.advance(timedelta(days=100_000))
    pruned = site.versions.prune(1, clock)
    assert pruned == {key: ["1", "2"] for key in FUNCTIONS}
    assert (site.versions.of(PREVIOUS)["worker"], site.versions.of(CANDIDATE)["worker"]) == ("3", "4")


def test_the_report_is_json(site: Site) -> None:
    report = json.loads(json.dumps(site.release("2").run().as_json()))
    assert (report["outcome"], report["canaries"][0]["name"]) == ("deployed", "canary")
    assert [step["name"] for step in report["steps"]][-1] == "finish"


def test_the_record_is_renewed_while_a_step_takes_long(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("analysis_jobs_dev.release.record._RENEWAL_S", 0.01)
    clock = site.clock
    assert isinstance(clock, ManualClock)
    with Record(site.clients["dynamodb"], "jobs", "me", clock) as record:
        first = int(site.clients["dynamodb"].get_item(TableName="jobs", Key=KEY)["Item"]["lock_until"]["N"])
        clock.advance(MINUTE)
        renewed = threading.Event()
        for _ in range(6_000):
            now = int(site.clients["dynamodb"].get_item(TableName="jobs", Key=KEY)["Item"]["lock_until"]["N"])
            if now > first:
                renewed.set()
                break
            renewed.wait(0.01)
        assert renewed.is_set()
        record.check()


def test_two_canaries_run_at_the_same_time_and_both_are_reported(site: Site) -> None:
    bad = {**CANARY, "name": "other", "expect": {"pages": {"between": [3, None]}}}
    said = failed(site, site.release("2", CANARY, bad).run())
    assert "The canary other of letter-summary failed" in said
    assert "pages: wanted a number of at least 3, found 2" in said
    assert "canary canary" not in said
