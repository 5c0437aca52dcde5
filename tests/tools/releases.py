"""A stack on moto, for tests of a release: functions with aliases, a job table, prompts, and alarms.

moto cannot run functions without a container, so `Functions` answers their invocations.
"""

import base64
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3

from analysis_jobs.api.callers import CANARY_MARK
from analysis_jobs.base.clock import Clock
from analysis_jobs.base.probe import PROBE
from analysis_jobs_dev.release.machine import Package, Release, Step
from analysis_jobs_dev.release.versions import LIVE, Versions

REGION = "eu-west-1"
FUNCTIONS = {key: f"letters-{key}" for key in ("api", "events", "sweeper", "worker")}
ALARMS = {"worker-errors": "letters-worker-errors", "jobs-failed": "letters-jobs-failed"}
TRUST = {"Version": "2012-10-17", "Statement": []}
RESULT = {"summary": "A letter.", "pages": 2}
CANARY: dict[str, Any] = {
    "name": "canary",
    "input": {"document": "x"},
    "documents": {},
    "expect": {"summary": {"not_empty": True}, "pages": {"equals": 2}},
    "max_cost_usd": 0.5,
    "time_limit_s": 60,
    "subject": None,
    "trigger": None,
}


def manifest(version: str, *canaries: Mapping[str, Any]) -> dict[str, Any]:
    """Return the manifest of a package with this version of the code."""
    declared = {"name": "letter-summary", "module": "letter_summary", "canaries": list(canaries or [CANARY])}
    return {
        "version": version,
        "sha256_base64": base64.b64encode(hashlib.sha256(code(version)).digest()).decode(),
        "declarations": {"analyses": [declared]},
    }


def code(version: str) -> bytes:
    """Return the zip of a version."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped:
        zipped.writestr(zipfile.ZipInfo("version.txt"), version)
    return buffer.getvalue()


@dataclass
class Functions:
    """The functions of the stack. `client` is that of moto; invocations are answered here, and recorded.

    `broken` maps a function to the error with which its newest version fails to start. `job` is what the status of a
    canary contains; `ends_after` is how many looks it takes to end.
    """

    client: Any
    broken: dict[str, str] = field(default_factory=dict)
    job: dict[str, Any] = field(default_factory=dict)
    ends_after: int = 1
    calls: list[tuple[str, str]] = field(default_factory=list)
    marks: list[dict[str, Any]] = field(default_factory=list)
    on_call: Callable[[str], None] = lambda _: None
    _looks: int = 0
    _cancelled: bool = False
    _code: dict[str, str] = field(default_factory=dict)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def deployed(self, function: str, version: str, code_version: str) -> None:
        """Record which code a version of a function has."""
        self._code[f"{function}:{version}"] = code_version

    def invoke(self, FunctionName: str, Qualifier: str, LogType: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803
        """Answer an invocation as the function would."""
        event, key = json.loads(Payload), FunctionName.removeprefix("letters-")
        version = self.client.get_alias(FunctionName=FunctionName, Name=Qualifier)["FunctionVersion"]
        code_version = self._code[f"{FunctionName}:{version}"]
        if event == PROBE:
            self.calls.append(("probe", key))
            self.on_call(f"probe {key}")
            if error := self.broken.get(key):
                log = base64.b64encode(b"INIT_START\nModuleNotFoundError").decode()
                failed = {"errorType": "Runtime.ImportModuleError", "errorMessage": error}
                return {"Payload": _body(failed), "FunctionError": "Unhandled", "LogResult": log}
            return {"Payload": _body({"probe": "ok", "code_version": code_version})}
        assert LogType == "Tail"
        return {"Payload": _body(self._answer(event, code_version))}

    def _answer(self, event: Mapping[str, Any], code_version: str) -> dict[str, Any]:
        self.marks.append(event["requestContext"][CANARY_MARK])
        route = event["routeKey"]
        self.calls.append(("api", route))
        self.on_call(route)
        if route == "POST /jobs":
            self._looks, self._cancelled = 0, False
            return _response(202, {"job_id": "01j", "status": "queued"})
        if route.endswith("/cancel"):
            self._cancelled = True
            return _response(202, {})
        self._looks += 1
        ended = self._cancelled or self._looks >= self.ends_after
        status = "cancelled" if self._cancelled else "completed" if ended else "processing"
        job = {"status": status, "cost_usd": 0.01, "code_version": code_version, "result": RESULT, "error": None}
        return _response(200, {**job, **self.job})


def _body(value: object) -> io.BytesIO:
    return io.BytesIO(json.dumps(value).encode())


def _response(status: int, body: object) -> dict[str, Any]:
    return {"statusCode": status, "body": json.dumps(body)}


@dataclass
class Site:
    """The stack, and what makes releases of it."""

    clock: Clock
    project: Path
    functions: Functions
    clients: dict[str, Any]
    prompts: Path | None = None
    moved: Sequence[str] = ()
    applies: int = 0
    lines: list[str] = field(default_factory=list)
    exists: bool = False
    wanted: Mapping[str, Any] = field(default_factory=dict)
    on_apply: Callable[[], None] = lambda: None
    _live: Mapping[str, str] | None = None

    @classmethod
    def create(cls, clock: Clock, project: Path) -> "Site":
        """Create the tables and the alarms. The functions come with the first apply."""
        names = ("cloudwatch", "dynamodb", "iam", "lambda", "logs")
        clients: dict[str, Any] = {name: boto3.client(name, region_name=REGION) for name in names}  # type: ignore[call-overload]
        for table, keys in (("jobs", ("tenant", "item")), ("prompts", ("prompt", "item"))):
            clients["dynamodb"].create_table(
                TableName=table,
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind} for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)
                ],
                BillingMode="PAY_PER_REQUEST",
            )
        for name in ALARMS.values():
            clients["cloudwatch"].put_metric_alarm(
                AlarmName=name, ComparisonOperator="GreaterThanThreshold", EvaluationPeriods=1, Threshold=0
            )
        functions = Functions(clients["lambda"])
        return cls(clock, project, functions, {**clients, "lambda": functions})

    def release(
        self, version: str, *canaries: Mapping[str, Any], steps: Sequence[Step] = (), **options: Any
    ) -> Release:
        """Return a release of a version of the code."""
        self.wanted = manifest(version, *canaries)
        return Release(
            terraform=self,
            package=Package(self.wanted, self.project, self.prompts),
            clients=self.client,
            who="tests",
            steps=steps,
            clock=self.clock,
            say=self.lines.append,
            **options,
        )

    def client(self, service: str) -> Any:
        return self.clients[service]

    @property
    def versions(self) -> Versions:
        return Versions(self.functions, FUNCTIONS)

    def live(self) -> dict[str, str]:
        return self.versions.of(LIVE)

    def ring(self, name: str, state: str = "ALARM") -> None:
        self.clients["cloudwatch"].set_alarm_state(
            AlarmName=name, StateValue=state, StateReason="3 errors in 5 minutes"
        )

    # Terraform

    def deployment(self) -> dict[str, Any]:
        if not self.exists:
            return {}
        return {
            "alarm_names": ALARMS,
            "canary_queue_url": "https://sqs/canary",
            "function_names": FUNCTIONS,
            "prompt_table_name": "prompts",
            "table_name": "jobs",
        }

    def plan(self, live: Mapping[str, str] | None) -> bool:
        self._live = live
        return not self.exists or self._deployed() != self.wanted["sha256_base64"]

    def moved_aliases(self) -> Sequence[str]:
        return self.moved

    def apply(self) -> None:
        self.applies += 1
        self.on_apply()
        for key, name in FUNCTIONS.items():
            self._publish(key, name)
        self.exists = True

    def _publish(self, key: str, name: str) -> None:
        client, package = self.functions.client, code(self.wanted["version"])
        if not self.exists:
            role = self.clients["iam"].create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
            made = client.create_function(
                FunctionName=name,
                Role=role["Arn"],
                Runtime="python3.13",
                Handler="a.b",
                Code={"ZipFile": package},
                Environment={"Variables": {"CODE_VERSION": self.wanted["version"]}},
                Publish=True,
            )
            for alias in ("live", "candidate"):
                client.create_alias(FunctionName=name, Name=alias, FunctionVersion=made["Version"])
        else:
            client.update_function_configuration(
                FunctionName=name, Environment={"Variables": {"CODE_VERSION": self.wanted["version"]}}
            )
            made = client.update_function_code(FunctionName=name, ZipFile=package, Publish=True)
            client.update_alias(FunctionName=name, Name="candidate", FunctionVersion=made["Version"])
            live = (self._live or {}).get(key) or made["Version"]
            client.update_alias(FunctionName=name, Name="live", FunctionVersion=live)
        self.functions.deployed(name, made["Version"], self.wanted["version"])

    def _deployed(self) -> str:
        return str(self.functions.client.get_function_configuration(FunctionName="letters-worker")["CodeSha256"])


MINUTE = timedelta(minutes=1)
