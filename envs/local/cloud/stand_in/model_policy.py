"""Whether the caller's role may use a model, asked of the emulator that holds the roles.

Who calls: the signed request itself is handed on to MiniStack's own Bedrock endpoint, unchanged, with the `Host` that
was signed. MiniStack verifies signature, session token and age, and refuses what AWS refuses. In AWS, Converse has no
IAM action of its own, but MiniStack asks for a `bedrock:Converse`: a role that has exactly the actions it needs is
denied, and the denial names the caller. A caller that MiniStack lets pass may do everything on Bedrock (the account's
root, or a role with `bedrock:*` on that model), and is not checked further.

What the role may do: `iam:SimulatePrincipalPolicy`, once for every ARN on which AWS needs the action.
"""

import functools
import http.client
import json
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cloud.stand_in.kept import Kept
from cloud.stand_in.models import Model
from cloud.stand_in.refusals import BedrockError

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/bedrock/aws4_request")
_CALLER = re.compile(r"User: (?P<arn>arn:\S+) is not authorized to perform")
_ROLE_SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "expect", "keep-alive", "transfer-encoding"})
_DEFAULT_REGION = "us-east-1"
_TIMEOUT_S = 10
_KEPT_S = 2.0


@dataclass(frozen=True)
class SignedRequest:
    """A request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @cached_property
    def _credential(self) -> re.Match[str] | None:
        return _CREDENTIAL.search(self.header("authorization"))

    @property
    def region(self) -> str:
        """The Region it was signed for."""
        return self._credential["region"] if self._credential else _DEFAULT_REGION

    @property
    def access_key(self) -> str:
        """The access key it was signed with, else empty."""
        return self._credential["key"] if self._credential else ""

    def header(self, name: str) -> str:
        """Return a header's value, else the empty text."""
        return next((value for key, value in self.headers.items() if key.lower() == name), "")


@dataclass(frozen=True)
class Caller:
    """Who signed a request; `unlimited` is someone who may do everything on Bedrock and whom nothing names."""

    arn: str
    unlimited: bool = False

    @property
    def account(self) -> str:
        """The account's ID."""
        return self.arn.split(":")[4]

    @property
    def principal(self) -> str:
        """The ARN that policies are attached to: of a session its role's."""
        session = _ROLE_SESSION.match(self.arn)
        return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}" if session else self.arn


class ModelPolicy:
    """Asks MiniStack at `endpoint`, whose certificate `ca_bundle` signs. What it learns is kept for two seconds."""

    def __init__(self, endpoint: str, ca_bundle: Path | str | None = None) -> None:
        self._at = urlsplit(endpoint)
        self._trusted = ssl.create_default_context(cafile=ca_bundle) if self._at.scheme == "https" else None
        self._kept = Kept(_KEPT_S)
        session: Any = boto3.Session()
        self._iam: Any = session.client(
            "iam",
            region_name=_DEFAULT_REGION,
            endpoint_url=endpoint,
            verify=str(ca_bundle) if ca_bundle else None,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - MiniStack's name for the account's root
            config=Config(retries={"total_max_attempts": 1}, proxies={}, max_pool_connections=4),
        )

    def caller(self, request: SignedRequest) -> Caller:
        """Return who signed the request.

        Raises:
            BedrockError: MissingAuthenticationTokenException, UnrecognizedClientException, InvalidSignatureException, …

        """
        if not request.header("authorization"):
            raise BedrockError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if not request.access_key:
            raise BedrockError("UnrecognizedClientException", "The security token included in the request is invalid.")
        signed_by = (request.access_key, request.header("x-amz-security-token"), request.path)
        return self._kept.get(signed_by, lambda: self._caller(request))

    def check(self, caller: Caller, model: Model, action: str) -> None:
        """Refuse a model that the caller may not use.

        Raises:
            BedrockError: AccessDeniedException, which names the first ARN that is not allowed.

        """
        for resource in () if caller.unlimited else model.resources(caller.account):
            decision = self._kept.get(
                (caller.principal, action, resource),
                functools.partial(self._decision, caller.principal, action, resource),
            )
            if decision != "allowed":
                raise _denied(caller, action, resource, decision)

    def forget(self) -> None:
        """Ask again for everything: a role was changed."""
        self._kept.forget()

    def _caller(self, request: SignedRequest) -> Caller:
        status, answer = self._hand_on(request)
        if status != http.client.FORBIDDEN:
            return Caller(f"access key {request.access_key}", unlimited=True)
        message = str(answer.get("message", ""))
        if named := _CALLER.search(message):
            return Caller(named["arn"])
        raise BedrockError(str(answer.get("__type", "UnrecognizedClientException")), message)

    def _hand_on(self, request: SignedRequest) -> tuple[int, Mapping[str, Any]]:
        """Return status and error of MiniStack's answer to the same request."""
        host, port = self._at.hostname or "", self._at.port
        connection = (
            http.client.HTTPSConnection(host, port, timeout=_TIMEOUT_S, context=self._trusted)
            if self._trusted
            else http.client.HTTPConnection(host, port, timeout=_TIMEOUT_S)
        )
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        try:
            connection.request(request.method, request.path, request.body, headers)
            response = connection.getresponse()
            raw = response.read()
        except OSError as error:
            raise BedrockError(
                "ServiceUnavailableException", f"MiniStack, which knows the caller, does not answer: {error}"
            ) from error
        finally:
            connection.close()
        try:
            content = json.loads(raw)
        except ValueError:
            content = {}
        return response.status, content if isinstance(content, dict) else {}

    def _decision(self, principal: str, action: str, resource: str) -> str:
        """Return `allowed`, `implicitDeny` or `explicitDeny`."""
        try:
            simulated = self._iam.simulate_principal_policy(
                PolicySourceArn=principal,
                ActionNames=[action],
                ResourceArns=[resource],
            )
        except (BotoCoreError, ClientError) as error:
            raise _unanswered(error) from error
        return str(simulated["EvaluationResults"][0]["EvalDecision"])


def _unanswered(error: Exception) -> BedrockError:
    return BedrockError("ServiceUnavailableException", f"MiniStack, which holds the roles, does not answer: {error}")


def _denied(caller: Caller, action: str, resource: str, decision: str) -> BedrockError:
    why = (
        "with an explicit deny in an identity-based policy"
        if decision == "explicitDeny"
        else f"because no identity-based policy allows the {action} action"
    )
    message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {why}"
    return BedrockError("AccessDeniedException", message)
