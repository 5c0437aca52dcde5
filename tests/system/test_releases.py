"""Releases on the local cloud: none loses a job, and each bad one goes back by itself before a caller meets it."""

import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from analysis_jobs.client import Client
from analysis_jobs.client.errors import Rejected
from analysis_jobs_dev.cloud.demo import default_document
from analysis_jobs_dev.cloud.local_cloud import DEFAULT_EXAMPLE, LocalCloud
from analysis_jobs_dev.release.machine import Release, Step
from analysis_jobs_dev.release.report import Outcome, Report
from analysis_jobs_dev.release.rollback import Rollback
from analysis_jobs_dev.release.stack import Stack
from analysis_jobs_dev.release.versions import CANDIDATE
from tests.clouds import for_session
from tests.system.releasing import PROJECT, Releases
from tests.system.watching import until

pytestmark = pytest.mark.system

JOBS = 50
PROMPT = "proposal_writer/step-1"
PROMPT_FILE = "proposal-writer-step-1.toml"
STAGE = "    text = job.text(job.request.document)\n"
# Two stages before the one that asks the model. The first keeps its checkpoint at a deployment.
STAGES = """@stage(survives_deploys=True)
def kept(job: Job[Rfp]) -> str:
    return RELEASE


def repeated(job: Job[Rfp]) -> str:
    return RELEASE


def brief(job: Job[Rfp]) -> Brief:
"""
# The summary names the releases that ran the stages.
TOLD = """\
    releases = f"{job.output(kept)}, {job.output(repeated)}, {RELEASE}"
    return job.ask(prompt, answer=Brief).model_copy(update={"summary": releases})
"""
TWO_STAGES = (
    ("import Analysis,", "import Analysis, Defer, stage,"),
    ("def brief(job: Job[Rfp]) -> Brief:\n", STAGES),
    ("stages=[brief]", "stages=[kept, repeated, brief]"),
    ("    return job.ask(prompt, answer=Brief)\n", TOLD),
)
ENDED = {"completed", "failed", "cancelled"}


@pytest.fixture(scope="module")
def cloud(pytestconfig: pytest.Config, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalCloud]:
    with for_session(pytestconfig, tmp_path_factory, "releases", (DEFAULT_EXAMPLE,)) as cloud:
        yield cloud
        cloud.apply_at_next_start()
        # The emulator writes the code of every version when it stops, which takes minutes.
        client = cloud.boto3("lambda")
        for name in cloud.outputs["function_names"].values():
            aliases = client.list_aliases(FunctionName=name)["Aliases"]
            for version in client.list_versions_by_function(FunctionName=name)["Versions"]:
                if version["Version"] not in {"$LATEST", *(alias["FunctionVersion"] for alias in aliases)}:
                    client.delete_function(FunctionName=name, Qualifier=version["Version"])


@pytest.fixture(scope="module")
def releases(cloud: LocalCloud, tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(cloud, tmp_path_factory.mktemp("packages"))


@pytest.fixture(scope="module")
def document(cloud: LocalCloud) -> str:
    return cloud.client().upload(default_document(PROJECT))


@pytest.fixture(scope="module")
def good(cloud: LocalCloud, releases: Releases, document: str) -> tuple[Report, list[dict[str, Any]]]:
    """Release a changed analysis while jobs run. Return the report, and the jobs of the callers after their end."""
    cloud.stand_in.set(first_token_s=1)
    # Fifty calls at once on a busy machine: some need a second try.
    client = cloud.connection.client(cloud.token(), tries=6)
    with ThreadPoolExecutor(8) as pool:
        submitted = list(
            pool.map(lambda _: client.submit(DEFAULT_EXAMPLE, {"document": document}).job_id, range(JOBS // 2))
        )
        release = releases.release(releases.changed("good"), terraform=True)
        released = pool.submit(release.run)
        for _ in range(JOBS - len(submitted)):  # callers come while the release runs, and after it
            submitted.append(client.submit(DEFAULT_EXAMPLE, {"document": document}).job_id)
            time.sleep(0.5)
        report = released.result()
        submitted.append(client.submit(DEFAULT_EXAMPLE, {"document": document}).job_id)
        jobs = [dict(client.wait(job_id).raw) for job_id in submitted]
    cloud.stand_in.reset()
    return report, jobs


def attempt(releases: Releases, document: str, release: Release) -> str:
    """Make a release that goes wrong, while a caller submits a job. Return its conclusion.

    Callers never meet the new version: `live` is what it was at every look, and the caller's job runs on that code.
    """
    client, before = releases.cloud.client(), releases.live()
    job_id = client.submit(DEFAULT_EXAMPLE, {"document": document}).job_id
    report = release.run()
    said = "\n".join(report.conclusion())
    assert (report.outcome, releases.live(), releases.versions.moving()) == (Outcome.WENT_BACK, before, []), said
    job = client.wait(job_id).raw
    assert (job["status"], job["code_version"]) == ("completed", code_of(releases, before["worker"]))
    return said


def code_of(releases: Releases, version: str) -> str:
    """Return the version of the code that a version of the worker has."""
    found = releases.versions.configuration("worker", version)["Environment"]["Variables"]["CODE_VERSION"]
    return str(found)


def test_no_job_is_lost_and_each_result_names_its_code(
    good: tuple[Report, list[dict[str, Any]]], releases: Releases
) -> None:
    report, jobs = good
    assert report.outcome is Outcome.DEPLOYED, report.conclusion()
    assert [job["status"] for job in jobs] == ["completed"] * len(jobs)
    versions = {job["code_version"] for job in jobs}
    assert report.code_version in versions
    assert versions == {report.code_version, code_of(releases, "1")}
    assert jobs[-1]["code_version"] == report.code_version


def test_the_canary_has_run_before_any_job_of_a_caller_on_the_new_code(
    good: tuple[Report, list[dict[str, Any]]], cloud: LocalCloud
) -> None:
    report, jobs = good
    [canary] = report.canaries
    key = {"tenant": {"S": "_canary"}, "item": {"S": f"job#{canary.job_id}"}}
    row = cloud.boto3("dynamodb").get_item(TableName=cloud.outputs["table_name"], Key=key)["Item"]
    assert (row["status"]["S"], row["lane"]["S"]) == ("completed", "canary")
    ended = int(row["finished_at"]["N"])
    starts = [started(job) for job in jobs if job["code_version"] == report.code_version]
    assert ended <= min(starts)
    assert int(row["expires_at"]["N"]) - ended / 1000 <= timedelta(days=1).total_seconds()


def started(job: dict[str, Any]) -> float:
    """Return when the last attempt of a job began, in milliseconds."""
    claims = [entry["at"] for entry in job["history"] if entry["transition"] == "claim"]
    return time.mktime(time.strptime(claims[-1].split(".")[0], "%Y-%m-%dT%H:%M:%S")) * 1000 - time.timezone * 1000 + 999


@pytest.mark.usefixtures("good")
def test_canaries_are_in_no_list_and_no_event(cloud: LocalCloud) -> None:
    listed = [job.job_id for tenant in ("acme", "globex") for job in cloud.client(tenant).list()]
    rows = cloud.boto3("dynamodb").query(
        TableName=cloud.outputs["table_name"],
        KeyConditionExpression="tenant = :tenant",
        ExpressionAttributeValues={":tenant": {"S": "_canary"}},
    )["Items"]
    assert rows
    assert not {row["item"]["S"].removeprefix("job#") for row in rows} & set(listed)


@pytest.mark.usefixtures("good")
def test_the_same_code_again_changes_nothing(releases: Releases) -> None:
    before = releases.live()
    manifest = releases.folder / "good" / f"{DEFAULT_EXAMPLE}.json"
    report = releases.release(manifest, terraform=True).run()
    assert (report.outcome, releases.live()) == (Outcome.UNCHANGED, before)
    assert releases.stack().plan() == []


@pytest.mark.usefixtures("good")
def test_a_broken_import_goes_back(releases: Releases, document: str) -> None:
    manifest = releases.changed("broken", ("from pathlib import Path\n", "from pathlib import Path\nimport nowhere\n"))
    said = attempt(releases, document, releases.release(manifest))
    assert "does not start" in said
    assert "nowhere" in said


@pytest.mark.usefixtures("good")
def test_a_missing_right_goes_back(releases: Releases, document: str) -> None:
    """The new code reads a table to which the worker has no right."""
    read = f"    import boto3\n    boto3.client('dynamodb').describe_table(TableName='books')\n{STAGE}"
    manifest = releases.changed("right", (STAGE, read), time_limit_s=90)
    said = attempt(releases, document, releases.release(manifest))
    assert "canary of rfp-analysis failed" in said
    assert "AccessDenied" in said


@pytest.mark.usefixtures("good")
def test_a_wrong_model_goes_back(releases: Releases, document: str) -> None:
    asked = ("job.ask(prompt, answer=Brief)", "job.ask(prompt, answer=Brief, model_id='eu.amazon.nova-pro-v1:0')")
    said = attempt(releases, document, releases.release(releases.changed("model", asked)))
    assert "canary of rfp-analysis failed" in said
    assert "nova-pro" in said


@pytest.mark.usefixtures("good")
def test_a_bad_prompt_goes_back(releases: Releases, document: str, cloud: LocalCloud, tmp_path: Path) -> None:
    from analysis_jobs.prompts.library import PromptLibrary  # noqa: PLC0415 - only here

    library = PromptLibrary(cloud.boto3("dynamodb"), cloud.outputs["prompt_table_name"])
    before = library.head(PROMPT).active
    text = (PROJECT / "prompts" / PROMPT_FILE).read_text("utf-8")
    (tmp_path / PROMPT_FILE).write_text(text, "utf-8")
    manifest = releases.changed("prompt")
    assert releases.release(manifest, tmp_path).run().outcome is Outcome.DEPLOYED
    assert library.head(PROMPT).active == before, "the prompt of the cloud's start has not changed"
    (tmp_path / PROMPT_FILE).write_text(text.replace("{rfp_text}", "the call"), "utf-8")
    said = attempt(releases, document, releases.release(manifest, tmp_path))
    assert "lacks {rfp_text}" in said
    assert library.head(PROMPT).active == before


@pytest.mark.usefixtures("good")
def test_a_slow_canary_goes_back(releases: Releases, document: str) -> None:
    manifest = releases.changed(
        "slow", (STAGE, f"    import time; time.sleep(20 * job.is_canary)\n{STAGE}"), time_limit_s=5
    )
    said = attempt(releases, document, releases.release(manifest))
    assert "it did not end within its time limit of 5 s" in said


@pytest.mark.usefixtures("good")
def test_a_running_job_ends_on_its_code_and_a_waiting_one_continues_as_its_stages_say(
    releases: Releases, cloud: LocalCloud, document: str, tmp_path: Path
) -> None:
    """One job runs while `live` moves. The other waits for its next attempt, with two finished stages."""
    flag = tmp_path / "may-end"
    hold = (
        "    import time\n"
        "    from datetime import timedelta\n"
        "    if job.subject == 'waits':\n"
        "        raise Defer('not_yet', 'The next release does this.', after=timedelta(seconds=1))\n"
        f"    while job.subject == 'runs' and not Path({str(flag)!r}).exists():\n"
        "        time.sleep(0.2)\n"
    )
    assert releases.release(releases.changed("old", *TWO_STAGES, (STAGE, hold + STAGE))).run().is_good
    client = cloud.client()
    runs, waits = (
        client.submit(DEFAULT_EXAMPLE, {"document": document}, subject=subject).job_id for subject in ("runs", "waits")
    )
    until(lambda: stages_of(client, runs) == ["kept", "repeated"])
    until(lambda: stages_of(client, waits) == ["kept", "repeated"])
    report = releases.release(releases.changed("new", *TWO_STAGES)).run()
    assert report.is_good, report.conclusion()
    assert client.status(runs).status == "processing"
    flag.touch()
    ended = {job_id: dict(client.wait(job_id).raw) for job_id in (runs, waits)}
    assert ended[runs]["result"]["summary"] == "old, old, old"
    assert ended[waits]["result"]["summary"] == "old, new, new"
    assert ended[waits]["code_version"] == report.code_version != ended[runs]["code_version"]


def stages_of(client: Client, job_id: str) -> list[str]:
    """Return the finished stages of a job."""
    return list(client.status(job_id).raw["stages_completed"])


@pytest.mark.usefixtures("good")
def test_an_alarm_in_the_second_step_goes_back(releases: Releases, cloud: LocalCloud) -> None:
    before, seen = releases.live(), []
    name = next(name for name in releases.deployment()["alarm_names"].values() if name.endswith("jobs-failed"))
    alarms, functions = cloud.boto3("cloudwatch"), cloud.boto3("lambda")

    def ring_in_the_second_step() -> None:
        def weight() -> bool:
            alias = functions.get_alias(FunctionName=cloud.outputs["function_names"]["worker"], Name="live")
            seen.append((alias.get("RoutingConfig") or {}).get("AdditionalVersionWeights") or {})
            return 0.5 in seen[-1].values()

        until(weight)
        alarms.set_alarm_state(AlarmName=name, StateValue="ALARM", StateReason="11 jobs failed in 5 minutes")

    ringing = threading.Thread(target=ring_in_the_second_step)
    ringing.start()
    steps = [Step(10, timedelta(seconds=3)), Step(50, timedelta(seconds=60))]
    try:
        report = releases.release(releases.changed("alarm"), steps=steps).run()
    finally:
        ringing.join()
        alarms.set_alarm_state(AlarmName=name, StateValue="OK", StateReason="reset")
    assert (report.outcome, releases.live(), releases.versions.moving()) == (Outcome.WENT_BACK, before, [])
    assert f"The alarm {name} rings." in report.failure
    assert "11 jobs failed" in "\n".join(report.details)
    assert 0.1 in {weight for weights in seen for weight in weights.values()}


@pytest.mark.usefixtures("good")
def test_a_rollback_moves_the_aliases_alone(releases: Releases, cloud: LocalCloud, document: str) -> None:
    before = releases.live()
    report = Rollback(Stack.of(releases.deployment()), cloud.boto3, "tests", say=releases.lines.append).run()
    after = releases.live()
    assert report.outcome is Outcome.ROLLED_BACK
    assert after != before
    client = cloud.client()
    job = client.wait(client.submit(DEFAULT_EXAMPLE, {"document": document}).job_id).raw
    assert (job["status"], job["code_version"]) == ("completed", code_of(releases, after["worker"]))
    assert releases.versions.of(CANDIDATE) != after


@pytest.mark.parametrize(
    ("field", "status"), [("priority", 422), ("canary", 422), ("requestContext", 422), ("prompt_versions", 422)]
)
def test_a_caller_cannot_mark_a_job_as_a_canary(cloud: LocalCloud, document: str, field: str, status: int) -> None:
    body: dict[str, Any] = {"priority": "canary"} if field == "priority" else {field: {"analysisJobsCanary": {}}}
    body |= {"analysis": DEFAULT_EXAMPLE, "input": {"document": document}}
    with pytest.raises(Rejected) as refused:
        cloud.client().request("POST", "/jobs", json=body)
    assert refused.value.status == status
    assert json.dumps(body)
