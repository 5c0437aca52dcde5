"""Inputs and results: JSON in the row while it is small, in the bucket where it is not (an item holds 400 KB)."""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from analysis_jobs.base.settings import MAX_INLINE_BYTES
from analysis_jobs.jobs.ports import ArtifactStore, TooLarge
from analysis_jobs.jobs.record import JobRecord, Payload

# Of what is read back from the bucket; an HTTP answer of Lambda's ends at 6 MB anyway.
MAX_PAYLOAD_BYTES = 5_000_000
# Two names of this length, a tenant of 128 and a file name of 128 stay below the 1,024 bytes that a key may have.
_LONGEST_PART = 200


def job_folder(job: JobRecord) -> str:
    """Return where everything of a job is in the bucket: `jobs/<tenant>/[<client>/<project>/]<job id>`.

    Client and project are part of it where the job has both; what a key should not hold is written as `!` and its
    bytes in hexadecimal, and what is too long ends in a digest, so that no two names share a folder.
    """
    owners = (_part(job.client), _part(job.project)) if job.client and job.project else ()
    return "/".join(("jobs", job.tenant, *owners, job.job_id))


def _part(name: str) -> str:
    # Not `%`: what goes through a URL is decoded once, by some twice. `quote` leaves these two as they are.
    safe = quote(name, safe="", errors="surrogatepass").replace("~", "%7E").replace("%", "!")
    safe = f"!2E{safe[1:]}" if safe.startswith(".") else safe
    if len(safe) <= _LONGEST_PART:
        return safe
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{safe[: _LONGEST_PART - 33]}~{digest}"


def store_json(
    artifacts: ArtifactStore, job: JobRecord, name: str, value: Any, inline_bytes: int = MAX_INLINE_BYTES
) -> Payload:
    """Keep `value`: as it is up to `inline_bytes`, beyond as the artifact `<fence>-<name>.json` of its folder.

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
    key = f"{job_folder(job)}/{job.fence}-{name}.json"
    artifacts.write(key, body, "application/json")
    return Payload(key=key)


def load_json(artifacts: ArtifactStore, payload: Payload) -> Any:
    """Return what `store_json` kept."""
    if payload.key is not None:
        return json.loads(artifacts.read(payload.key, MAX_PAYLOAD_BYTES))
    return json.loads(payload.text or "null")
