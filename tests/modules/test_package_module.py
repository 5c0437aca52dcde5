"""The plan of a whole stack refuses a package that does not fit its settings, and the message names the fix."""

import dataclasses
import json
from typing import Any

import pytest

from analysis_jobs_dev import places
from tests.modules.harness import REPOSITORY, Terraform
from tests.modules.planning import write_package

RFP_ROUTES = ["POST /proposals/{id}/analyze-rfp", "GET /proposals/{id}/analysis-status"]
LABEL = "the package rfp-analysis-arm64.zip of the project rfp-analysis"
TRACED = {"tracing": {"otel": {"endpoint": "https://otel.example.com"}}}
# The analyses, the routes and further settings of a stack, and what its plan says about the package of the example.
STACKS = {
    "fits": (["rfp_analysis"], RFP_ROUTES, {}, ""),
    "mistyped": (
        ["rfp_analisys"],
        RFP_ROUTES,
        {},
        f"analyses names rfp_analisys, which {LABEL} does not declare. It declares rfp_analysis. Correct analyses,",
    ),
    "lacks-a-route": (
        ["rfp_analysis"],
        RFP_ROUTES[:1],
        {},
        (
            f"api.routes lacks {RFP_ROUTES[1]}, which an analysis in {LABEL} declares. Add it: "
            f"routes = {json.dumps(RFP_ROUTES)}."
        ),
    ),
    "traced": (
        ["rfp_analysis"],
        RFP_ROUTES,
        TRACED,
        f"tracing.otel is set, and {LABEL} lacks the extra otel: add extras",
    ),
}


def planned(
    terraform: Terraform, account_url: str, analyses: list[str], routes: list[str], settings: dict[str, Any]
) -> tuple[int, str]:
    """Plan a stack with the package of `rfp-analysis`. Return the exit status and the errors in one line."""
    root = terraform.root / f"compared-{analyses[0]}-{len(routes)}-{len(settings)}"
    stack = {
        "source": "../modules/analysis-jobs",
        "name": "orders",
        "analyses": analyses,
        "bedrock_model_ids": ["anthropic.claude-sonnet-4-5-*"],
        "package": write_package(root / "dist"),
        "api": {"authorizer": {"issuer": "https://login.example.com", "audience": ["orders"]}, "routes": routes},
        **settings,
    }
    (root / "main.tf.json").write_text(json.dumps({"module": {"analysis_jobs": stack}}), encoding="utf-8")
    environment = terraform.environment | {"AWS_ENDPOINT_URL_STS": account_url}
    here = dataclasses.replace(terraform, environment=environment)
    here.prepare(root.name)
    installed = here.run(root.name, "init", "-lockfile=readonly")
    assert installed.returncode == 0, installed.stderr
    done = here.run(root.name, "plan", "-no-color")
    return done.returncode, " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("name", STACKS)
def test_a_plan_compares_the_package_with_the_settings(name: str, terraform: Terraform, account_url: str) -> None:
    analyses, routes, settings, expected = STACKS[name]
    status, said = planned(terraform, account_url, analyses, routes, settings)
    assert (status, bool(said)) == ((1, True) if expected else (0, False))
    assert expected in said


def test_the_module_fits_the_library_of_its_own_release() -> None:
    text = (REPOSITORY / "modules/package/variables.tf").read_text(encoding="utf-8")
    [line] = [each for each in text.splitlines() if each.strip().startswith("library_versions ")]
    versions = json.loads(line.partition("=")[2])
    assert places.version().rpartition(".")[0] in versions
