"""Finds credentials in a configuration. It is in the repository, so a credential there is known to every reader."""

import re
from collections.abc import Iterator
from typing import Any

from analysis_jobs_dev.environments.document import Key

__all__ = ["found"]

FIX = "Keep it in Secrets Manager or Systems Manager, and give the ARN"
# A setting with such a name has a credential as its value, unless the value is an ARN or a name of one.
_NAMES = re.compile(
    r"(^|[_\W])(password|passwd|passphrase|secret|token|api_?key|private_?key|secret_?key|access_?key(_id)?|credentials?)$",
    re.IGNORECASE,
)
_VALUES = {
    "an AWS access key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "a token of GitLab": r"\bglpat-[\w-]{20,}",
    "an API key of Google": r"\bAIza[\w-]{35}",
    "an API key of OpenAI or Anthropic": r"\bsk-(?:ant-|proj-)?[\w-]{20,}",
    "a token of Slack": r"\bxox[abeoprs]-[\w-]{10,}",
    "a webhook of Slack": r"https://hooks\.slack\.com/services/\S+",
    "a JSON Web Token": r"\beyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]*",
    "a URL with a password": r"\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/:@]+@",
}
_PATTERNS = {kind: re.compile(pattern) for kind, pattern in _VALUES.items()}
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def found(value: Any, path: Key = ()) -> Iterator[tuple[Key, str]]:  # noqa: ANN401 - JSON
    """Yield the path of each credential in a JSON value, and what it is. The credential itself is not returned."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from found(each, (*path, name))
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from found(each, (*path, number))
    elif isinstance(value, str) and value:
        kind = next((kind for kind, pattern in _PATTERNS.items() if pattern.search(value)), None)
        names = [each for each in path if isinstance(each, str)]
        if kind:
            yield path, kind
        elif names and _NAMES.search(_CAMEL.sub("_", names[-1])) and not value.startswith("arn:"):
            yield path, "a credential, by its name"
