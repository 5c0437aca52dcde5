"""HTTP for Lambda: reads an event of an HTTP API, finds its route, and writes the answer (payload format 2.0).

Powertools' resolver does this too, and much that this API does not use. Importing it took 45 ms of CPU of each cold
start, a fifth of `import boto3`, and each request 0.9 ms.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html
"""

import base64
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self, TypeAlias

from analysis_jobs.api.answers import json_text

_JSON: TypeAlias = Literal["application/json", "application/problem+json"]
# The characters of a segment of a path (RFC 3986), and those that API Gateway has decoded.
_VALUE = re.compile(r"[-._~()'!*:@,;=+&$%<> \[\]{}|^\w]+")
_DEFAULT_STAGE = "$default"


class Request:
    """A request. `path` has neither the prefix of the kind of caller nor the stage."""

    def __init__(self, event: Mapping[str, Any], path: str) -> None:
        self.event = event
        self.context: Mapping[str, Any] = event["requestContext"]
        self.method: str = self.context["http"]["method"].upper()
        stage = self.context["stage"]
        self.path = path if stage == _DEFAULT_STAGE else path[len(f"/{stage}") :]

    @cached_property
    def headers(self) -> Mapping[str, str]:
        """The headers. The names are in lower case."""
        return {name.lower(): value for name, value in (self.event.get("headers") or {}).items()}

    @property
    def query(self) -> Mapping[str, str]:
        """The parameters of the query."""
        return self.event.get("queryStringParameters") or {}

    def text(self) -> str:
        """Return the body. Raises `ValueError` if it is not UTF-8."""
        body: str = self.event.get("body") or ""
        return base64.b64decode(body).decode() if self.event.get("isBase64Encoded") else body


class Response(NamedTuple):
    """An answer. `content_type` is None for one without a body."""

    status: int
    content_type: str | None = None
    body: str = ""
    headers: Mapping[str, str] = {}

    def for_lambda(self) -> dict[str, Any]:
        """Return the answer as API Gateway reads it."""
        type_of = {"Content-Type": self.content_type} if self.content_type else {}
        return {
            "statusCode": self.status,
            "headers": {**self.headers, **type_of},
            "cookies": [],
            "body": self.body,
            "isBase64Encoded": False,
        }


def json_response(
    status: int, body: Any, headers: Mapping[str, str] | None = None, content_type: _JSON = "application/json"
) -> Response:
    """Return an answer with a JSON body."""
    return Response(status, content_type, json_text(body), headers or {})


Handler: TypeAlias = Callable[..., Response]


class _Segment(NamedTuple):
    """A segment of a route: a text, or a parameter between two texts, which are mostly empty."""

    before: str
    parameter: str
    after: str

    @classmethod
    def parse(cls, text: str) -> Self:
        before, _, rest = text.partition("{")
        parameter, _, after = rest.partition("}")
        return cls(before, parameter, after)

    def value_in(self, given: str) -> str | None:
        """Return the value of the parameter in a segment of a path. None: the segment does not match."""
        end = len(given) - len(self.after)
        if not given.startswith(self.before) or not given.endswith(self.after):
            return None
        value = given[len(self.before) : end]
        return value if _VALUE.fullmatch(value) else None


class _Route(NamedTuple):
    text: str
    segments: tuple[_Segment, ...]
    handler: Handler

    def match(self, given: list[str]) -> dict[str, str] | None:
        """Return the parameters in the segments of a path. None: the path does not match."""
        parameters: dict[str, str] = {}
        for segment, text in zip(self.segments, given, strict=True):
            if segment.parameter:
                value = segment.value_in(text)
                if value is None:
                    return None
                parameters[segment.parameter] = value
            elif segment.before != text:
                return None
        return parameters


class Router:
    """Routes of the form `METHOD /path/{parameter}`. A parameter stands for a segment of the path, or a part of it."""

    def __init__(self) -> None:
        self._routes: dict[tuple[str, int], list[_Route]] = {}

    def __iter__(self) -> Iterator[str]:
        """Iterate over the routes, in the form in which they were added."""
        return (route.text for routes in self._routes.values() for route in routes)

    def add(self, route: str, handler: Handler) -> None:
        """Add a route. Of two routes that match a path, one without parameters wins, else the one added first."""
        method, path = route.split(" ", 1)
        segments = tuple(map(_Segment.parse, path.split("/")))
        routes = self._routes.setdefault((method, len(segments)), [])
        routes.append(_Route(route, segments, handler))
        routes.sort(key=lambda each: any(segment.parameter for segment in each.segments))

    def find(self, method: str, path: str) -> tuple[Handler, dict[str, str]] | None:
        """Return the handler of a request and the parameters in its path. None: there is no such route."""
        given = path.split("/")
        for route in self._routes.get((method, len(given)), ()):
            parameters = route.match(given)
            if parameters is not None:
                return route.handler, parameters
        return None
