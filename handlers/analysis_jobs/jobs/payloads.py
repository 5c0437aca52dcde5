"""Stores inputs and results as JSON: small ones in the row, others in the bucket.

The limits follow the prices of both: see `jobs.row_size` for inputs, and `base.settings` for results.
"""

import hashlib
import json
from typing import Any
from urllib.parse import quote

from analysis_jobs.base.settings import MAX_INLINE_BYTES
from analysis_jobs.jobs.ports import ArtifactStore, TooLarge
from analysis_jobs.jobs.record import JobRecord, Payload

# Of the JSON as it is stored, in UTF-8. Lambda returns up to 6 MB, in which quotes count twice: the API links a result
# that does not fit (`api/answers.py`).
MAX_PAYLOAD_BYTES = 5_000_000
# S3 limits a key to 1,024 bytes. Two names of this length, a tenant of 128 and a file name of 128 fit into it.
_MAX_NAME_LENGTH = 200


def job_folder(job: JobRecord) -> str:
    """Return the key prefix of a job's objects in the bucket: `jobs/<tenant>/[<client>/<project>/]<job id>`.

    Client and project are in the prefix if the job has both. Unsafe bytes of a name are written as `!` and two
    hexadecimal digits. A name that is too long is cut and ends in a digest, so that different names never share a
    folder.
    """
    owners = (_key_segment(job.client), _key_segment(job.project)) if job.client and job.project else ()
    return "/".join(("jobs", job.tenant, *owners, job.job_id))


def _key_segment(name: str) -> str:
    # `!` instead of `%`, because some clients decode a URL twice. `quote` escapes neither `.` nor `~`.
    safe = quote(name, safe="", errors="surrogatepass").replace("~", "%7E").replace("%", "!")
    safe = f"!2E{safe[1:]}" if safe.startswith(".") else safe
    if len(safe) <= _MAX_NAME_LENGTH:
        return safe
    digest = hashlib.sha256(name.encode(errors="surrogatepass")).hexdigest()[:32]
    return f"{safe[: _MAX_NAME_LENGTH - 33]}~{digest}"


def store_json(
    artifacts: ArtifactStore, job: JobRecord, name: str, value: Any, inline_bytes: int = MAX_INLINE_BYTES
) -> Payload:
    """Store `value` inline up to `inline_bytes`, else as the object `<fence>-<name>.json` in the job's folder.

    The key contains the fencing token, so that a stale worker cannot overwrite the object of a newer attempt. Raises
    `ValueError` for values that are not JSON (NaN, lone surrogates), and `TooLarge` above `MAX_PAYLOAD_BYTES`.
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
    """Return the value that `store_json` stored. Raises as `ArtifactStore.read` does."""
    if payload.key is not None:
        return json.loads(artifacts.read(payload.key, MAX_PAYLOAD_BYTES))
    return json.loads(payload.text or "null")
