"""Records which bytes of its documents a job is about, when it is submitted.

An upload form can be used again until it expires. Without a record, somebody could replace a document after the
submission, for example after a person has looked at it.
"""

from typing import Any

from analysis_jobs.documents import documents_in, upload_key
from analysis_jobs.jobs.payloads import store_json
from analysis_jobs.jobs.ports import ArtifactStore
from analysis_jobs.jobs.record import JobRecord, Payload
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.row_size import bytes_left

MAX_DOCUMENTS = 500  # each costs a request to S3, and a submission has 30 s
_AT_ONCE = 16


def pin_documents(artifacts: ArtifactStore, job: JobRecord, given: Any) -> Payload | None:
    """Return the versions of the documents that an input names. None if it names no document.

    One request for each document, and one more for a list that does not fit into the KB that the row has begun. Raises
    `InvalidRequestError` for too many documents.
    """
    names = sorted(set(documents_in(given)))
    if len(names) > MAX_DOCUMENTS:
        raise InvalidRequestError.of_field(
            "input", f"the input names {len(names)} documents; give at most {MAX_DOCUMENTS}"
        )
    if not names:
        return None
    keys = [upload_key(job.tenant, name) for name in names]
    if len(keys) == 1:
        versions = [artifacts.current_version(keys[0])]
    else:
        from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import; most jobs have one document

        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="pin") as threads:
            versions = list(threads.map(artifacts.current_version, keys))
    return store_json(artifacts, job, "documents", dict(zip(names, versions, strict=True)), bytes_left(job))


def names_documents(value: Any) -> bool:
    """Tell whether a JSON value contains a text that has the form of a document's name."""
    return next(documents_in(value), None) is not None
