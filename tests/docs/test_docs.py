"""What the documentation shows is run here, and what it names exists."""

import os
import re
from pathlib import Path

import boto3
import pytest

from analysis_jobs import Analysis
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.testing import Jobs
from analysis_jobs_dev.cloud.stand_in import StandIn
from tests.docs.pages import PAGES, REPOSITORY, block, blocks, executed, text_of
from tests.modules.harness import Terraform
from tests.modules.planning import write_package

README = "README.md"
# The pages that show whole Terraform roots.
TERRAFORM = (
    README,
    "docs/tracing.md",
    *(f"docs/import/{page}.md" for page in ("api", "backend", "changes", "index", "names", "versions")),
)


@pytest.mark.parametrize("page", PAGES)
def test_every_link_of_a_page_leads_to_a_file(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", text_of(page))
    missing = [link for link in links if not ((REPOSITORY / page).parent / link).exists()]
    assert missing == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_to_a_heading_leads_to_one(page: str) -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", text_of(page))
    missing = [
        f"{target}#{anchor}"
        for target, anchor in links
        if anchor not in anchors((Path(page).parent / target).as_posix() if target else page)
    ]
    assert missing == []


def anchors(page: str) -> set[str]:
    """Return the anchors of a page: of its headings, as GitHub and MkDocs make them, and those that are named."""
    text = text_of(os.path.normpath(page))
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    made = {re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", heading).strip().lower()) for heading in headings}
    return made | set(re.findall(r'<a name="([^"]+)">', text))


def test_every_file_that_a_page_names_as_a_test_exists() -> None:
    named = {name for page in PAGES for name in re.findall(r"`(tests/[a-z_/]+\.py)`", text_of(page))}
    shown = {name for page in PAGES for name in re.findall(r'title="(tests/[a-z_/]+\.py)"', text_of(page))}
    assert named
    assert {name for name in named - shown if not (REPOSITORY / name).exists()} == set()


def test_every_make_target_that_a_page_names_is_one() -> None:
    rules = re.findall(r"^([a-z]+(?: [a-z]+)*):", text_of("Makefile"), re.MULTILINE)
    targets = {target for rule in rules for target in rule.split()}
    named = {target for page in PAGES for target in re.findall(r"(?:^|`)make ([a-z]+)", text_of(page), re.MULTILINE)}
    assert {"demo", "test", "local", "package", "deploy"} <= named
    assert named - targets == set()


def test_the_terraform_of_the_readme_is_short() -> None:
    shown = block(README, "hcl")
    module = shown[: shown.index("\n}\n")]
    assert len([line for line in module.splitlines() if line.strip()]) <= 20


def test_the_terraform_of_the_pages_is_valid(terraform: Terraform) -> None:
    root = terraform.root / "pages"
    shown = [each for page in TERRAFORM for each in blocks(page, "hcl")]
    assert len(shown) >= 3
    # Each block is a root of its own. As modules of one root they are checked in one run.
    for number, text in enumerate(shown):
        folder = root / f"page{number}"
        folder.mkdir(parents=True)
        (folder / "modules").symlink_to(terraform.root / "modules")
        (folder / "main.tf").write_text(text, encoding="utf-8")
    calls = [f'module "page{number}" {{\n  source = "./page{number}"\n}}\n' for number in range(len(shown))]
    (root / "main.tf").write_text("".join(calls), encoding="utf-8")
    for example in ("minimal", "rfp-analysis"):
        write_package(root / "dist", example)
    terraform.prepare("pages")
    validated = terraform.run("pages", "validate", "-no-color")
    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_the_analysis_of_the_readme_runs(jobs: Jobs) -> None:
    [analysis] = [value for value in executed(README).values() if isinstance(value, Analysis)]
    document = "coastal-road-resilience.pdf"
    content = (REPOSITORY / "examples/rfp-analysis/documents" / document).read_bytes()
    with StandIn() as stand_in:
        client = boto3.client(
            "bedrock-runtime",
            region_name="eu-west-1",
            endpoint_url=stand_in.url,
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        jobs.ask_model(BedrockModel(client))
        result = jobs.run(analysis, {"document": jobs.upload(document, content)}).json
    assert result["deadline"] is not None
    assert "12 March 2027" in result["deadline"] or result["deadline"] == "2027-03-12"
    assert "Coastal Road Resilience" in result["summary"]


def test_the_documentation_explains_every_error_code_that_the_library_gives() -> None:
    sources = "".join(
        path.read_text(encoding="utf-8") for path in sorted((REPOSITORY / "handlers/analysis_jobs").rglob("*.py"))
    )
    given = set(re.findall(r"(?:Fail|Retry|Defer|JobFailure|Decision)\(\s*(?:Action\.\w+, )?\"([a-z_]+)\"", sources))
    # In the tables: of model errors, and of reasons to stop.
    given |= set(re.findall(r"\((?:Fail|Retry|Defer), \"([a-z_]+)\"", sources))
    explained = set(re.findall(r"`([a-z_]+)`", text_of("docs/call/error-codes.md")))
    assert len(given) >= 35
    assert given - explained == set()
