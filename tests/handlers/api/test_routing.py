"""Which handler a request reaches, and what it reads from an event of an HTTP API."""

import base64
from typing import Any

import pytest

from analysis_jobs.api.routing import Request, Response, Router
from tests.handlers.events import http_event


def routes(*texts: str) -> Router:
    router = Router()
    for text in texts:
        router.add(text, lambda text=text: text)
    return router


def found(router: Router, method: str, path: str) -> tuple[Any, dict[str, str]] | None:
    match = router.find(method, path)
    return match and (match[0](), match[1])


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/books", ("GET /books", {})),
        ("/books/42", ("GET /books/{id}", {"id": "42"})),
        ("/books/new", ("GET /books/new", {})),
        ("/books/42/pages/Überblick (1)", ("GET /books/{id}/pages/{name}", {"id": "42", "name": "Überblick (1)"})),
        ("/books/42.pdf/text", ("GET /books/{id}.pdf/text", {"id": "42"})),
        ("/books/.pdf/text", None),
        ("/books/", None),
        ("/books/42/", None),
        ('/books/a"b', None),
        ("/books\n", None),
        ("", None),
    ],
)
def test_a_path_reaches_the_route_of_its_segments(path: str, expected: object) -> None:
    router = routes(
        "GET /books", "GET /books/{id}", "GET /books/new", "GET /books/{id}/pages/{name}", "GET /books/{id}.pdf/text"
    )
    assert found(router, "GET", path) == expected
    assert found(router, "POST", path) is None


def test_of_two_routes_with_parameters_the_first_one_wins() -> None:
    assert found(routes("GET /{of}/new", "GET /books/{id}"), "GET", "/books/new") == ("GET /{of}/new", {"of": "books"})


def test_the_stage_of_the_api_is_no_part_of_the_path() -> None:
    event = http_event("get", "/live/books")
    event["requestContext"]["stage"] = "live"
    request = Request(event, event["rawPath"])
    assert (request.method, request.path) == ("GET", "/books")


def test_names_of_headers_are_in_lower_case_and_a_body_may_be_in_base64() -> None:
    event = http_event("POST", "/books") | {
        "headers": {"If-None-Match": "a"},
        "body": base64.b64encode("ä".encode()).decode(),
        "isBase64Encoded": True,
    }
    request = Request(event, "/books")
    assert request.headers == {"if-none-match": "a"}
    assert request.text() == "ä"


def test_without_headers_query_and_body_a_request_is_empty() -> None:
    request = Request({"requestContext": http_event("GET", "/books")["requestContext"]}, "/books")
    assert (request.headers, request.query, request.text()) == ({}, {}, "")


def test_an_answer_without_a_body_has_no_content_type() -> None:
    assert Response(304, headers={"ETag": "a"}).for_lambda() == {
        "statusCode": 304,
        "headers": {"ETag": "a"},
        "cookies": [],
        "body": "",
        "isBase64Encoded": False,
    }
