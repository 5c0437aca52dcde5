"""Names for what comes out of `json.loads`."""

from collections.abc import Mapping
from typing import Any

type Json = Any
type Schema = Mapping[str, Any]
