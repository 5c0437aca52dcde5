"""Finds credentials in a configuration. It is in the repository, so a credential there is known to every reader."""

import json
import re
from collections.abc import Iterator
from typing import Any

from analysis_jobs_dev.environments.document import Key, texts
from analysis_jobs_dev.packager.leftovers import kinds_of_secrets

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
# 40 characters of base64, with all kinds of letters and digits among them. The library finds it only beside its name.
_AWS_SECRET_KEY = re.compile(r"(?=\S*[a-z])(?=\S*[A-Z])(?=\S*[0-9])[A-Za-z0-9/+]{40}")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def found(value: Any) -> Iterator[tuple[Key, str]]:  # noqa: ANN401 - JSON
    """Yield the path of each credential in a JSON value, and what it is. The credential itself is not returned."""
    given = [(path, text) for path, text in texts(value) if text]
    for (path, text), kinds in zip(given, kinds_of_secrets(json.dumps(text) for _, text in given), strict=True):
        names = [each for each in path if isinstance(each, str)]
        if kinds:
            yield path, f"a credential ({', '.join(sorted(kinds))})"
        elif _AWS_SECRET_KEY.fullmatch(text):
            yield path, "a credential (AWS secret key)"
        elif names and not text.startswith("arn:") and _is_named_so(_CAMEL.sub("_", names[-1]), text):
            yield path, "a credential, by its name"


def _is_named_so(name: str, value: str) -> bool:
    return bool(_NAMES.search(name) or (_KEYS.search(name) and _RANDOM.fullmatch(value)))
