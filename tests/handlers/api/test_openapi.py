"""The OpenAPI document is valid, lists exactly the served routes, and describes every answer."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator
from pydantic import BaseModel, ConfigDict

import api
from analysis_jobs import Analysis, Job
from analysis_jobs.api import openapi
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES
from analysis_jobs.jobs.record import JobFailure, Payload
from analysis_jobs.jobs.transitions import COMPLETE, FAIL
from analysis_jobs.stores.memory import MemoryJobStore
from tests.handlers.api.documented import Documented
from tests.handlers.api.site import BOOK, UPLOAD, Site, opened, submit
from tests.handlers.api.test_downloads import DRAWING, FILES
from tests.handlers.api.test_outcomes import BOOKS, VISITS
from tests.handlers.builders import some_settings
from tests.handlers.events import Answer, call

UNKNOWN = "01kdvdna00246fsfg17tk8a8cy"
type Step = tuple[str, str, int, Callable[[Site], Answer]]
VISIT = {"shop": "a", "trigger": "manual"}
MANUAL = {"trigger": "manual"}
DRAWN = {"analysis": "drawing", "input": {"isbn": "42"}}


class Odd:
    """A type without a JSON schema."""


@pytest.fixture
def site(clock: ManualClock) -> Iterator[Site]:
    with opened(MemoryJobStore(), clock, DRAWING, VISITS, BOOKS) as site:
        yield site


@pytest.fixture
def documented(site: Site) -> Documented:
    del site
    return Documented(call("GET", "/openapi.json").json)


def finished(site: Site, body: Any = BOOK, result: Any = None) -> str:
    """Return a job that has completed."""
    job_id = submit(body)
    site.claim(job_id)
    kept = Payload(text=json.dumps(result or {"usd": 12.5}))
    site.take(job_id, COMPLETE, files=FILES, result=kept, finished_at=site.clock.now(), progress=100)
    return job_id


def test_the_document_is_valid_openapi(documented: Documented) -> None:
    assert documented.document["openapi"] == "3.1.0"
    OpenAPIV31SpecValidator(documented.document).validate()


def test_the_validator_finds_an_invalid_document(documented: Documented) -> None:
    broken = json.loads(json.dumps(documented.document))
    del broken["paths"]["/jobs"]["get"]["responses"]["200"]["description"]
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())


@pytest.mark.usefixtures("site")
def test_the_document_lists_exactly_the_served_routes(documented: Documented) -> None:
    served = set(api._api().router)  # noqa: SLF001 - the tests put it there
    paths = documented.document["paths"]
    assert served == {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}
    assert {"GET /openapi.json", "POST /proposals/{id}/analyze-rfp", "GET /download/{job_id}/{kind}"} <= served


def test_every_operation_requires_a_bearer_token(documented: Documented) -> None:
    assert documented.document["security"] == [{"bearer": []}]
    operations = [each for methods in documented.document["paths"].values() for each in methods.values()]
    assert all("security" not in operation and "401" in operation["responses"] for operation in operations)
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)


def test_the_document_is_the_same_for_every_tenant_and_is_built_once(site: Site) -> None:
    del site
    with patch.object(openapi, "document", wraps=openapi.document) as made:
        texts = {call("GET", "/openapi.json", tenant=tenant).body for tenant in ("acme", "other", "acme")}
    assert (len(texts), made.call_count) == (1, 1)


def _second(method: str, path: str, body: Any) -> Answer:
    call(method, path, body)
    return call(method, path, body)


def _known(path: str) -> Answer:
    return call("GET", path, headers={"If-None-Match": call("GET", path).headers["etag"]})


def _gone() -> Answer:
    call("POST", "/jobs", BOOK, headers={"Idempotency-Key": "k1"})
    with patch.object(MemoryJobStore, "get", lambda *_: None):
        return call("POST", "/jobs", BOOK, headers={"Idempotency-Key": "k1"})


def _limited(site: Site, path: str, body: Any) -> Answer:
    for _ in range(2):
        job_id = call("POST", path, body).json["job_id"]
        site.claim(job_id)
        site.take(job_id, COMPLETE, finished_at=site.clock.now(), due_at=None)
        site.clock.advance(timedelta(minutes=2))
    return call("POST", path, body)


def _broken() -> Answer:
    with patch.object(MemoryJobStore, "create", side_effect=RuntimeError("it fails")):
        return call("POST", "/jobs", BOOK)


def _asked_to_stop(site: Site) -> Answer:
    job_id = submit()
    site.claim(job_id)
    return call("POST", f"/jobs/{job_id}/cancel")


def _failed(site: Site) -> str:
    job_id = submit()
    site.claim(job_id)
    failure = JobFailure("model_error", "it fails", retryable=True)
    site.take(job_id, FAIL, failure=failure, finished_at=site.clock.now())
    return job_id


def _visited(path: str = "/visits/a") -> str:
    call("POST", "/visits", VISIT)
    return path


_FILE = "/jobs/{job_id}/files/{name}"
_AS_JSON = {"Accept": "application/json"}
# One call for each status of each operation. `call` checks every answer against the document.
_WALK: list[Step] = [
    ("POST", "/jobs", 202, lambda _: call("POST", "/jobs", BOOK)),
    ("POST", "/jobs", 200, lambda _: _second("POST", "/jobs", {"analysis": "visits", "input": {"shop": "a"}} | MANUAL)),
    ("POST", "/jobs", 400, lambda _: call("POST", "/jobs", raw="{")),
    ("POST", "/jobs", 403, lambda _: call("POST", "/jobs", BOOK, tenant=None)),
    ("POST", "/jobs", 410, lambda _: _gone()),
    ("POST", "/jobs", 413, lambda _: call("POST", "/jobs", "x" * MAX_PAYLOAD_BYTES)),
    ("POST", "/jobs", 422, lambda _: call("POST", "/jobs", {"analysis": "nope"})),
    ("POST", "/jobs", 429, lambda s: _limited(s, "/jobs", {"analysis": "visits", "input": {"shop": "a"}} | MANUAL)),
    ("POST", "/jobs", 500, lambda _: _broken()),
    ("GET", "/jobs", 200, lambda s: (finished(s), call("GET", "/jobs"))[1]),
    ("GET", "/jobs", 422, lambda _: call("GET", "/jobs", query={"limit": "0"})),
    ("GET", "/jobs/{job_id}", 200, lambda s: call("GET", f"/jobs/{finished(s)}")),
    ("GET", "/jobs/{job_id}", 200, lambda s: call("GET", f"/jobs/{_failed(s)}")),
    ("GET", "/jobs/{job_id}", 304, lambda _: _known(f"/jobs/{submit()}")),
    ("GET", "/jobs/{job_id}", 404, lambda _: call("GET", f"/jobs/{UNKNOWN}")),
    ("GET", "/jobs/{job_id}", 422, lambda _: call("GET", f"/jobs/{submit()}", query={"wait": "26"})),
    ("GET", _FILE, 302, lambda s: call("GET", f"/jobs/{finished(s)}/files/report.txt")),
    ("GET", _FILE, 200, lambda s: call("GET", f"/jobs/{finished(s)}/files/report.txt", headers=_AS_JSON)),
    ("GET", _FILE, 404, lambda s: call("GET", f"/jobs/{finished(s)}/files/nope")),
    ("POST", "/jobs/{job_id}/cancel", 200, lambda _: call("POST", f"/jobs/{submit()}/cancel")),
    ("POST", "/jobs/{job_id}/cancel", 202, _asked_to_stop),
    ("POST", "/jobs/{job_id}/cancel", 404, lambda _: call("POST", f"/jobs/{UNKNOWN}/cancel")),
    ("POST", "/jobs/{job_id}/cancel", 409, lambda s: call("POST", f"/jobs/{finished(s)}/cancel")),
    ("POST", "/jobs/{job_id}/retry", 202, lambda s: call("POST", f"/jobs/{_failed(s)}/retry")),
    ("POST", "/jobs/{job_id}/retry", 404, lambda _: call("POST", f"/jobs/{UNKNOWN}/retry")),
    ("POST", "/jobs/{job_id}/retry", 409, lambda s: call("POST", f"/jobs/{finished(s)}/retry")),
    ("POST", "/uploads", 201, lambda _: call("POST", "/uploads", UPLOAD)),
    ("POST", "/uploads", 422, lambda _: call("POST", "/uploads", UPLOAD | {"size": 10**12})),
    ("GET", "/openapi.json", 200, lambda _: call("GET", "/openapi.json")),
    ("POST", "/visits", 202, lambda _: call("POST", "/visits", VISIT)),
    ("POST", "/visits", 200, lambda _: _second("POST", "/visits", VISIT)),
    ("POST", "/visits", 422, lambda _: call("POST", "/visits", VISIT | {"trigger": "nope"})),
    ("POST", "/visits", 429, lambda s: _limited(s, "/visits", VISIT)),
    ("GET", "/visits/{shop}", 200, lambda _: call("GET", _visited())),
    ("GET", "/visits/{shop}", 304, lambda _: _known(_visited())),
    ("GET", "/visits/{shop}", 404, lambda _: call("GET", "/visits/a")),
    ("GET", "/download/{job_id}/{kind}", 302, lambda s: call("GET", f"/download/{finished(s, DRAWN)}/sheet")),
    ("GET", "/download/{job_id}/{kind}", 404, lambda s: call("GET", f"/download/{finished(s, DRAWN)}/nope")),
]


@pytest.mark.parametrize("step", _WALK, ids=[f"{method} {path} {status}" for method, path, status, _ in _WALK])
def test_each_answer_has_its_documented_status(site: Site, documented: Documented, step: Step) -> None:
    method, path, status, walk = step
    assert walk(site).status == status
    said = documented.document["paths"][path][method.lower()]["responses"][str(status)]
    assert documented.found(said)["description"]


def test_the_walk_covers_every_status_that_the_function_itself_returns(documented: Documented) -> None:
    seen = {(method, path, str(status)) for method, path, status, _ in _WALK}
    walked = {path for _, path, _, _ in _WALK}
    # Not walked for each route: statuses of the gateway and of every call, and those that `POST /jobs` covers.
    elsewhere = {"401", "403", "429", "500", "503", "400", "410", "413"}
    said = {
        (method.upper(), path, status)
        for path, methods in documented.document["paths"].items()
        if path in walked
        for method, operation in methods.items()
        for status in operation["responses"]
        if status not in elsewhere
    }
    assert said - seen == {("GET", "/download/{job_id}/{kind}", "200"), ("GET", "/visits/{shop}", "422")}


def test_the_check_fails_for_an_undocumented_answer(site: Site, documented: Documented) -> None:
    answer = call("GET", f"/jobs/{finished(site)}")
    for broken in (
        replace(answer, status=206),
        replace(answer, headers=answer.headers | {"x-more": "1"}),
        replace(answer, body=json.dumps(answer.json | {"more": 1})),
        replace(answer, body=json.dumps(answer.json | {"result": {"usd": "much"}})),
        replace(answer, body=json.dumps({"job_id": answer.json["job_id"]})),
    ):
        with pytest.raises(AssertionError):
            documented.check("GET", f"/jobs/{UNKNOWN}", broken)
    documented.check("GET", f"/jobs/{UNKNOWN}", answer)


def test_the_document_also_describes_a_job_of_a_removed_analysis(site: Site, documented: Documented) -> None:
    shown = call("GET", f"/jobs/{finished(site)}").json | {"result": ["anything"]}
    schema = documented.found(documented.document["paths"]["/jobs/{job_id}"]["get"]["responses"]["200"])["content"]
    assert documented.fits(schema["application/json"]["schema"], shown | {"analysis": "of-last-year"})
    assert not documented.fits(schema["application/json"]["schema"], shown)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (BOOK, 202),
        (BOOK | {"priority": "high", "client": "c", "project": "p", "subject": "books/42"}, 202),
        (BOOK | {"priority": "urgent"}, 422),
        (BOOK | {"trigger": "manual"}, 422),
        (BOOK | {"input": {}}, 422),
        (BOOK | {"input": {"isbn": "42", "pages": 1}}, 422),
        (BOOK | {"tenant": "acme"}, 422),
        ({"analysis": "nope", "input": {}}, 422),
        ({"analysis": "visits", "input": {"shop": "a"}, "trigger": "manual"}, 202),
        ({"analysis": "visits", "input": {"shop": "a"}}, 422),
        ({"analysis": "books", "input": {"shop": "a"}}, 422),
        ({"analysis": "books", "input": {"shop": "a"}, "subject": "books/7"}, 202),
        ({"analysis": "books", "input": {"shop": "a"}, "subject": ""}, 422),
    ],
)
def test_the_document_and_the_api_accept_the_same_bodies(documented: Documented, body: Any, status: int) -> None:
    schema = documented.document["paths"]["/jobs"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert call("POST", "/jobs", body).status == status
    assert documented.fits(schema, body) == (status == 202)


@pytest.mark.parametrize(("body", "status"), [(VISIT, 202), ({"shop": "a"}, 422), ({"trigger": "manual"}, 422)])
def test_the_body_of_an_own_route_is_the_input_and_the_trigger(documented: Documented, body: Any, status: int) -> None:
    schema = documented.document["paths"]["/visits"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert call("POST", "/visits", body).status == status
    assert documented.fits(schema, body) == (status == 202)


def test_the_document_lists_the_parameters_that_the_api_reads(documented: Documented) -> None:
    paths = documented.document["paths"]

    def named(path: str, method: str) -> set[tuple[str, str]]:
        found = [documented.found(each) for each in paths[path][method].get("parameters", [])]
        return {(each["in"], each["name"]) for each in found}

    assert named("/jobs", "post") == {("header", "Idempotency-Key")} == named("/visits", "post")
    assert named("/jobs/{job_id}", "get") == {("path", "job_id"), ("query", "wait"), ("header", "If-None-Match")}
    assert {name for _, name in named("/jobs", "get")} == {
        "status", "client", "subject", "from", "to", "limit", "cursor",
    }  # fmt: skip
    assert named("/download/{job_id}/{kind}", "get") == {("path", "job_id"), ("path", "kind")}


class Upload(BaseModel):
    """A model of an analysis with a name that the document already uses."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    page: int
    seen: complex | Odd = 1.5


def look(_job: Job[Upload]) -> Upload:
    raise NotImplementedError


def test_equal_model_names_and_fields_without_a_schema_leave_the_document_valid() -> None:
    strange = Analysis("strange", request=Upload, result=Upload, stages=[look], submit_route="POST /strange")
    document = openapi.document(Analyses([strange]), some_settings())
    OpenAPIV31SpecValidator(document).validate()
    json.dumps(document, allow_nan=False)
    schemas = document["components"]["schemas"]
    theirs = document["paths"]["/strange"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    ours = document["paths"]["/uploads"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "page" in schemas[theirs["$ref"].rpartition("/")[2]]["properties"]
    assert "filename" in schemas[ours["$ref"].rpartition("/")[2]]["properties"]
