"""The names of tenants."""

import re

# The tenant of canary jobs. It is not a valid name, so no token, no setting and no backend can name it.
CANARY_TENANT = "_canary"
# A tenant is part of keys with the separators `#` and `/`, so it must not contain them.
_TENANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@:+-]{0,127}")


def is_tenant(text: object) -> bool:
    """Return whether `text` is a valid name of a tenant."""
    return isinstance(text, str) and _TENANT.fullmatch(text) is not None
