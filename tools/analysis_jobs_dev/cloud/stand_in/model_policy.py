"""Whether the caller's role may use a model; MiniStack, which holds the roles, is asked.

Who calls: the signed request is forwarded unchanged, with the signed `Host`, to MiniStack's own Bedrock endpoint.
MiniStack checks signature, session token and age, and refuses what AWS refuses. It then asks for a `bedrock:Converse`,
an action that does not exist in AWS: a role with exactly the actions it needs is denied, and the denial names the
caller. A caller that passes may do everything on Bedrock (the account's root, or a role with `bedrock:*` on that
model), and is not checked further.

What the role may do: `iam:SimulatePrincipalPolicy`, once for each ARN on which AWS needs the action.
"""

import json
import re
import ssl
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import HTTPSHandler, ProxyHandler, Request, build_opener

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs_dev.cloud.stand_in.models import Model
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError

_CREDENTIAL = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/]+)/bedrock/aws4_request")
_CALLER = re.compile(r"User: (?P<arn>arn:\S+) is not authorized to perform")
_ROLE_SESSION = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d+):assumed-role/(?P<role>[^/]+)/")
_HOP_BY_HOP: Final = frozenset({"connection", "content-length", "expect", "keep-alive", "transfer-encoding"})
_DEFAULT_REGION: Final = "us-east-1"
_TIMEOUT_S: Final = 10
_KEPT_S: Final = 2.0


@dataclass(frozen=True)
class SignedRequest:
    """A POST request as it came in; the names of `headers` are read in any case."""

    path: str
    headers: Message
    body: bytes

    @cached_property
    def _credential(self) -> re.Match[str] | None:
        return _CREDENTIAL.search(self.headers.get("authorization", ""))

    @property
    def region(self) -> str:
        """The Region it was signed for."""
        return self._credential["region"] if self._credential else _DEFAULT_REGION

    @property
    def access_key(self) -> str:
        """The access key it was signed with, else empty."""
        return self._credential["key"] if self._credential else ""


@dataclass(frozen=True)
class Caller:
    """Who signed a request. An `unlimited` caller may do everything on Bedrock."""

    arn: str
    unlimited: bool = False

    @property
    def account(self) -> str:
        """The account's ID."""
        return self.arn.split(":")[4]

    @property
    def principal(self) -> str:
        """The ARN that policies are attached to; for a session that of its role."""
        session = _ROLE_SESSION.match(self.arn)
        return f"arn:{session['partition']}:iam::{session['account']}:role/{session['role']}" if session else self.arn


class ModelPolicy:
    """Asks MiniStack at `endpoint`; its certificate is checked with `ca_bundle`. Answers are kept for two seconds."""

    def __init__(self, endpoint: str, ca_bundle: Path | str | None = None) -> None:
        self._endpoint = endpoint
        trusted = ssl.create_default_context(cafile=ca_bundle)
        self._open = build_opener(ProxyHandler({}), HTTPSHandler(context=trusted)).open
        self._lock = threading.Lock()
        self._kept: dict[Hashable, tuple[float, Any]] = {}
        session: Any = boto3.Session()
        self._iam: Any = session.client(
            "iam",
            region_name=_DEFAULT_REGION,
            endpoint_url=endpoint,
            verify=str(ca_bundle) if ca_bundle else None,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106 - MiniStack's name for the account's root
            config=Config(retries={"total_max_attempts": 1}, proxies={}),
        )

    def caller(self, request: SignedRequest) -> Caller:
        """Return who signed the request.

        Raises:
            RefusedError: MissingAuthenticationTokenException, UnrecognizedClientException, InvalidSignatureException, …

        """
        if "authorization" not in request.headers:
            raise RefusedError("MissingAuthenticationTokenException", "Missing Authentication Token")
        if not request.access_key:
            raise RefusedError("UnrecognizedClientException", "The security token included in the request is invalid.")
        signed_by = (request.access_key, request.headers.get("x-amz-security-token"), request.path)
        found: Caller = self._once(signed_by, lambda: self._caller(request))
        return found

    def check(self, caller: Caller, model: Model, action: str) -> None:
        """Refuse a model that the caller may not use.

        Raises:
            RefusedError: AccessDeniedException with the first ARN that is not allowed.

        """
        for resource in () if caller.unlimited else model.resources(caller.account):
            asked = (caller.principal, action, resource)
            decision = self._once(asked, lambda asked=asked: self._decision(*asked))  # type: ignore[misc]
            if decision != "allowed":
                why = (
                    "with an explicit deny in an identity-based policy"
                    if decision == "explicitDeny"
                    else f"because no identity-based policy allows the {action} action"
                )
                message = f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} {why}"
                raise RefusedError("AccessDeniedException", message)

    def forget(self) -> None:
        """Ask for everything again: a role was changed."""
        with self._lock:
            self._kept.clear()

    def _once(self, key: Hashable, ask: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever `ask` returns
        """Return a kept answer, else that of `ask`; one thread asks at a time."""
        with self._lock:
            until, found = self._kept.get(key, (0.0, None))
            if until <= time.monotonic():
                found = ask()
                self._kept[key] = (time.monotonic() + _KEPT_S, found)
            return found

    def _caller(self, request: SignedRequest) -> Caller:
        headers = {name: value for name, value in request.headers.items() if name.lower() not in _HOP_BY_HOP}
        forwarded = Request(self._endpoint + request.path, request.body, headers)
        try:
            self._open(forwarded, timeout=_TIMEOUT_S).close()
        except HTTPError as answer:
            with answer:
                if answer.code == HTTPStatus.FORBIDDEN:
                    return _denied_caller(answer.read())
        except OSError as error:
            raise _unanswered(error) from error
        return Caller(f"access key {request.access_key}", unlimited=True)

    def _decision(self, principal: str, action: str, resource: str) -> str:
        """Return `allowed`, `implicitDeny` or `explicitDeny`."""
        try:
            simulated = self._iam.simulate_principal_policy(
                PolicySourceArn=principal, ActionNames=[action], ResourceArns=[resource]
            )
        except (BotoCoreError, ClientError) as error:
            raise _unanswered(error) from error
        return str(simulated["EvaluationResults"][0]["EvalDecision"])


def _denied_caller(raw: bytes) -> Caller:
    """Return the caller that a denial names. Raises RefusedError where MiniStack knows no such caller."""
    content = json.loads(raw)
    message = str(content.get("message", ""))
    if named := _CALLER.search(message):
        return Caller(named["arn"])
    raise RefusedError(str(content.get("__type", "UnrecognizedClientException")), message)


def _unanswered(error: Exception) -> RefusedError:
    return RefusedError("ServiceUnavailableException", f"MiniStack, which holds the roles, does not answer: {error}")
