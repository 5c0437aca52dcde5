"""What the tests of the preflight check examine: stacks with scripted answers of AWS."""

from dataclasses import dataclass, field, replace
from typing import Any

import boto3
from botocore.stub import Stubber

from analysis_jobs_dev.doctor.findings import Finding, Level
from analysis_jobs_dev.doctor.subject import Function, Subject

REGION = "eu-west-1"
ACTIONS = ("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream")
ALLOWED, DENIED = "allowed", "implicitDeny"
PROFILE = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
MODEL = "anthropic.claude-sonnet-4-5-20250929-v1:0"
PROFILE_ARN = f"arn:aws:bedrock:{REGION}:123456789012:inference-profile/{PROFILE}"
MODEL_ARNS = [f"arn:aws:bedrock:{region}::foundation-model/{MODEL}" for region in ("eu-north-1", "eu-west-1")]
ACCESS = {
    "agreementAvailability": {"status": "AVAILABLE"},
    "authorizationStatus": "AUTHORIZED",
    "entitlementAvailability": "AVAILABLE",
    "regionAvailability": "AVAILABLE",
}


@dataclass(frozen=True)
class Scripted(Subject):
    """A subject with scripted answers of the calls that moto does not know."""

    clients: dict[str, Any] = field(default_factory=dict)

    def client(self, service: str) -> Any:
        return self.clients.get(service) or super().client(service)

    def answers(self, service: str, *calls: tuple[str, dict[str, Any] | str]) -> "Scripted":
        """Return the subject with these answers of a service, in order. A text is the code of an error."""
        client = boto3.client(service, region_name=REGION)  # type: ignore[call-overload]
        stubber = Stubber(client)
        for operation, answer in calls:
            if isinstance(answer, str):
                stubber.add_client_error(operation, answer, "refused")
            else:
                stubber.add_response(operation, answer)
        stubber.activate()
        return replace(self, clients={**self.clients, service: client})


def worker(**configuration: Any) -> Function:
    variables = configuration.pop("variables", {})
    return Function(
        {
            "FunctionName": "books-worker",
            "Role": "arn:aws:iam::123456789012:role/books-worker",
            "Timeout": 900,
            "Environment": {"Variables": {"CODE_VERSION": "1", **variables}},
            **configuration,
        }
    )


def a_subject(**fields: Any) -> Scripted:
    return Scripted(**({"stack": "books", "region": REGION, "models": (PROFILE,)} | fields))


def a_stack(**configuration: Any) -> Scripted:
    return a_subject(functions={"worker": worker(**configuration)})


def decision(word: str, *actions: str) -> dict[str, Any]:
    return {"EvaluationResults": [{"EvalActionName": each, "EvalDecision": word} for each in actions or ACTIONS]}


def bad(findings: Any) -> list[Finding]:
    found = list(findings)
    assert all(each.fix for each in found if each.level is not Level.OK), "each finding has its fix"
    return [each for each in found if each.level is not Level.OK]
