"""The form of an error code, as logs, events and traces show it."""

import re

_CODE = re.compile(r"[a-z][a-z0-9_]{0,99}")
INVALID_CODE = "invalid_code"


def safe_code(code: object) -> str:
    """Return the code of an error, or `invalid_code` for a text that is not snake_case.

    An analysis chooses the code of its errors, and it may put a message there by mistake.
    """
    return str(code) if _CODE.fullmatch(str(code)) else INVALID_CODE
