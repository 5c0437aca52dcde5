"""The span of a request to the API.

Only a request that may lead to work has one. A caller reads the state of a job many times, and each export takes time.
The span has the route and no path: a path may contain a subject.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from analysis_jobs.api.routing import Request
from analysis_jobs.base import tracing
from analysis_jobs.base.tracing import NO_SPAN, Kind, Span


@contextmanager
def request_span(request: Request, context: Any) -> Iterator[Span]:
    """Make the span of a request. It belongs to the caller's trace if the request has a valid `traceparent`.

    https://opentelemetry.io/docs/specs/semconv/http/http-spans/#http-server-span
    """
    if request.method != "POST":
        yield NO_SPAN
        return
    attributes = {
        "faas.invocation_id": getattr(context, "aws_request_id", None),
        "faas.trigger": "http",
        "http.request.method": request.method,
        "server.address": request.context.get("domainName"),
        "url.scheme": "https",
    }
    parent = tracing.received(request.headers)
    with tracing.span(request.method, Kind.SERVER, attributes, parent=parent) as span:
        yield span


def describe_route(span: Span, route: str) -> None:
    """Name the span by the route, `METHOD /path/{parameter}`."""
    span.rename(route)
    span.set({"http.route": route.partition(" ")[2]})


def describe_answer(span: Span, status: int) -> None:
    """Set the status. An error of the caller (4xx) is no error of the server."""
    span.set({"http.response.status_code": status})
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        span.fail(str(status))
