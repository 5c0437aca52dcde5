"""The code in the documentation runs, and the files and targets that it names exist."""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import boto3
import pytest

from analysis_jobs.authoring.analysis import Analyses, Analysis
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.ids import new_id
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.record import Payload
from analysis_jobs.jobs.tiers import TierRequest
from analysis_jobs.llm.bedrock import BedrockModel
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from cloud.stand_in import StandIn
from provider_mirror import terraform_environment
from tests.handlers.builders import QUEUE_ARN, a_job, some_settings

REPOSITORY = Path(__file__).resolve().parents[2]
README = (REPOSITORY / "README.md").read_text(encoding="utf-8")
PAGES = sorted(
    page.relative_to(REPOSITORY).as_posix()
    for pattern in ("*.md", "docs/**/*.md", "modules/*/README.md", "examples/*/README.md")
    for page in REPOSITORY.glob(pattern)
)


def text_of(page: str) -> str:
    return (REPOSITORY / page).read_text(encoding="utf-8")


def block(language: str) -> str:
    """Return the README's only code block of a language."""
    [found] = re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)
    return str(found)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(page))
    missing = [link for link in links if not ((REPOSITORY / page).parent / link).exists()]
    assert missing == []


def test_every_file_that_a_page_names_as_a_test_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(tests/[a-z_/]+\.py)`", text_of(page))}
    assert named
    assert {name for name in named if not (REPOSITORY / name).exists()} == set()


def test_every_make_target_that_a_page_names_is_one() -> None:
    rules = re.findall(r"^([a-z]+(?: [a-z]+)*):", text_of("Makefile"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    named = {target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z]+)", text_of(page), re.MULTILINE)}
    assert {"demo", "test", "local", "package", "deploy"} <= named
    assert named - targets == set()


def test_the_terraform_of_the_readme_is_valid_and_short(tmp_path: Path) -> None:
    shown = block("hcl")
    module = shown[: shown.index("\n}\n")]
    assert len([line for line in module.splitlines() if line.strip()]) <= 20
    (tmp_path / "main.tf").write_text(shown, encoding="utf-8")
    shutil.copytree(REPOSITORY / "modules", tmp_path / "modules", ignore=shutil.ignore_patterns("tests", ".terraform*"))
    (tmp_path / "dist").mkdir()
    manifest = json.dumps({"path": "dist/x.zip", "sha256_base64": "A" * 43 + "="})
    (tmp_path / "dist" / "rfp-analysis-arm64.json").write_text(manifest, encoding="utf-8")
    shutil.copy(REPOSITORY / "envs" / "terraform.lock.hcl", tmp_path / ".terraform.lock.hcl")
    terraform("init", "-backend=false", "-input=false", folder=tmp_path)
    assert "The configuration is valid" in terraform("validate", "-no-color", folder=tmp_path)


def terraform(*arguments: str, folder: Path) -> str:
    """Run Terraform in a folder and return its output."""
    ran = subprocess.run(
        ["terraform", f"-chdir={folder}", *arguments],
        env={**os.environ, **terraform_environment(), "CHECKPOINT_DISABLE": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


def test_the_analysis_of_the_readme_runs() -> None:
    namespace: dict[str, Any] = {"__name__": "readme"}
    exec(compile(block("python"), "README.md", "exec"), namespace)  # noqa: S102 - it is our own page
    [analysis] = [value for value in namespace.values() if isinstance(value, Analysis)]
    with StandIn() as stand_in:
        result = run(analysis, "coastal-road-resilience.pdf", stand_in.url)
    assert result["deadline"] is not None
    assert "12 March 2027" in result["deadline"] or result["deadline"] == "2027-03-12"
    assert "Coastal Road Resilience" in result["summary"]


def run(analysis: Analysis[Any, Any], document: str, model_url: str) -> Any:
    """Run one job on a document of the first example with the model at `model_url`, and return its result."""
    clock, store, artifacts = SystemClock(), MemoryJobStore(), MemoryArtifactStore()
    name = f"{new_id(clock.now())}/{document}"
    artifacts.write(
        upload_key("acme", name), (REPOSITORY / "examples/rfp-analysis/documents" / document).read_bytes(), ""
    )
    now = clock.now()
    job = a_job(
        analysis=analysis.name,
        input=Payload(text=json.dumps({"document": name})),
        created_at=now,
        deadline=now + analysis.deadline,
        due_at=now,
        stage=analysis.stages[0].__name__,
    )
    store.create(job, None)
    client = boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=model_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    settings = some_settings(model_id="eu.anthropic.claude-sonnet-4-5-20250929-v1:0")
    worker = Worker(
        store,
        MemoryQueue(),
        Analyses([analysis]),
        Services(artifacts, MemoryPromptStore(), BedrockModel(client), settings),
        clock,
    )
    worker.handle(Message(job.key, QUEUE_ARN, "receipt"))
    result = store.jobs[job.key].result
    assert result is not None, store.jobs[job.key].failure
    return json.loads(result.text or "")


def test_the_guide_says_what_its_rules_find() -> None:
    section = text_of("docs/guide.md").split("## Checking what was extracted")[1].split("\n## ")[0]
    [shown] = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "guide"}
    exec(compile(shown, "docs/guide.md", "exec"), namespace)  # noqa: S102 - it is our own page
    checked = namespace["checked"]
    assert [(each.field, each.value, each.rule) for each in checked.findings] == [("expires_on", "2025-03-14", "after")]
    assert checked.confidence["number"] > checked.confidence["credits"]
    assert checked.needs_review


def test_the_guides_analysis_with_tiers_puts_its_jobs_in_the_order_of_them() -> None:
    section = text_of("docs/guide.md").split("## The order of a lane")[1].split("\n## ")[0]
    [shown] = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)
    namespace: dict[str, Any] = {"__name__": "guide"}
    exec(compile(shown, "docs/guide.md", "exec"), namespace)  # noqa: S102 - it is our own page
    tiers, chat = namespace["chat_profile"].tiers, namespace["Chat"](lines=[])
    tenants = ("initech", "globex", "acme")
    found = {tenant: tiers.find(TierRequest(tenant, None, None, None, chat)) for tenant in tenants}
    assert found == {"initech": "free", "globex": "silver", "acme": "gold"}
    assert [tiers.tier_rank(tier) for tier in ("gold", "silver", "free")] == [0, 1, 2]


def test_the_guide_explains_every_error_code_that_the_library_gives() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "handlers/analysis_jobs").rglob("*.py"))
    )
    given = set(re.findall(r"(?:Fail|Retry|Defer|JobFailure|Decision)\(\s*(?:Action\.\w+, )?\"([a-z_]+)\"", sources))
    # Codes in the tables of model errors and of reasons to stop.
    given |= set(re.findall(r"\((?:Fail|Retry|Defer), \"([a-z_]+)\"", sources))
    explained = set(re.findall(r"`([a-z_]+)`", text_of("docs/guide.md")))
    assert len(given) >= 35
    assert given - explained == set()
