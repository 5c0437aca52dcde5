"""Finds credentials in a configuration. It is in the repository, so a credential there is known to every reader."""

import re
from collections.abc import Iterator
from typing import Any

from analysis_jobs_dev.environments.document import Key

__all__ = ["found"]

FIX = "Keep it in Secrets Manager or Systems Manager, and give the ARN"
# A setting with such a name has a credential as its value, unless the value is an ARN or a name of one.
_NAMES = re.compile(
    r"(^|[_\W])(password|passwd|passphrase|pass|pwd|secret|token|credentials?"
    r"|(api|auth|private|secret|signing|encryption|access)_?key(_id)?)$",
    re.IGNORECASE,
)
# A setting with such a name may also be a name of something. It is a credential if its value looks random.
_KEYS = re.compile(r"(^|[_\W])key$", re.IGNORECASE)
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_+=-]{16,}")
_VALUES = {
    "an AWS access key": r"\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}\b",
    "a private key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----",
    "a token of GitHub": r"\b(?:gh[pousr]_[A-Za-z0-9]{30,}|github_pat_\w{30,})",
    "a token of GitLab": r"\bglpat-[\w-]{20,}",
    "an API key of Google": r"\bAIza[\w-]{35}",
    # 40 characters of base64, with all kinds of letters and digits among them.
    "a secret key of AWS": r"(?<![\w/+=-])(?=\S*[a-z])(?=\S*[A-Z])(?=\S*[0-9])[A-Za-z0-9/+]{40}(?![\w/+=-])",
    "a key of Stripe": r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}",
    "a token of Hugging Face": r"\bhf_[A-Za-z0-9]{30,}",
    "a token of npm": r"\bnpm_[A-Za-z0-9]{36}",
    "a token of PyPI": r"\bpypi-[\w-]{50,}",
    "a key of SendGrid": r"\bSG\.[\w-]{16,}\.[\w-]{16,}",
    "a key of Azure": r"\bAccountKey=[A-Za-z0-9+/=]{40,}",
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
        elif names and not value.startswith("arn:") and _is_named_so(_CAMEL.sub("_", names[-1]), value):
            yield path, "a credential, by its name"


def _is_named_so(name: str, value: str) -> bool:
    return bool(_NAMES.search(name) or (_KEYS.search(name) and _RANDOM.fullmatch(value)))
