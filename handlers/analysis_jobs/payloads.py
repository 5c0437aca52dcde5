"""Inputs and results: JSON in the row while it is small, in the bucket where it is not (an item holds 400 KB)."""

import json
from typing import Any

from analysis_jobs.record import JobRecord, Payload
from analysis_jobs.stores.ports import ArtifactStore, TooLarge

# Every heartbeat pays for its row by the KB, so what is larger is cheaper in the bucket.
MAX_INLINE_BYTES = 4_096
# Of what is read back from the bucket; an HTTP answer of Lambda's ends at 6 MB anyway.
MAX_PAYLOAD_BYTES = 5_000_000


def store_json(
    artifacts: ArtifactStore, job: JobRecord, name: str, value: Any, inline_bytes: int = MAX_INLINE_BYTES
) -> Payload:
    """Keep `value`: as it is up to `inline_bytes`, beyond as the artifact `jobs/<tenant>/<job id>/<fence>-<name>.json`.

    The fencing token is part of the key, so that a stale worker cannot overwrite what the row of a newer one points at.

    Raises what nobody could read back: `ValueError` for NaN and halves of surrogate pairs, `TooLarge` for more than
    `MAX_PAYLOAD_BYTES`.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    body = text.encode()
    if len(body) <= inline_bytes:
        return Payload(text=text)
    if len(body) > MAX_PAYLOAD_BYTES:
        raise TooLarge(len(body))
    key = f"jobs/{job.tenant}/{job.job_id}/{job.fence}-{name}.json"
    artifacts.write(key, body, "application/json")
    return Payload(key=key)


def load_json(artifacts: ArtifactStore, payload: Payload) -> Any:
    """Return what `store_json` kept."""
    if payload.key is not None:
        return json.loads(artifacts.read(payload.key, MAX_PAYLOAD_BYTES))
    return json.loads(payload.text or "null")
