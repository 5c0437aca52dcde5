"""A client of DynamoDB returns items as botocore's own parser does, at a fraction of its CPU."""

import io
import json
from typing import Any

import boto3
import pytest
from botocore import parsers
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from botocore.exceptions import ClientError
from urllib3 import HTTPResponse

from analysis_jobs.stores.clients import Clients

ITEM = {
    "tenant": {"S": "acme"},
    "created_at": {"N": "1767225600000"},
    "cost_usd": {"N": "0.25"},
    "usage": {"M": {"calls": {"N": "1"}, "none": {"NULL": True}}},
    "history": {"L": [{"M": {"at": {"N": "1"}, "transition": {"S": "claim"}}}]},
    "shared": {"BOOL": True},
    "names": {"SS": ["a", "b"]},
    "empty": {"M": {}},
}
KEY = {"tenant": {"S": "acme"}, "item": {"S": "job#1"}}
CALLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "get_item": ({"TableName": "jobs", "Key": KEY}, {"Item": ITEM}),
    "update_item": ({"TableName": "jobs", "Key": KEY, "ReturnValues": "ALL_NEW"}, {"Attributes": ITEM}),
    "query": ({"TableName": "jobs"}, {"Items": [ITEM], "Count": 1, "ScannedCount": 1, "LastEvaluatedKey": KEY}),
    "batch_get_item": (
        {"RequestItems": {"jobs": {"Keys": [KEY]}}},
        {"Responses": {"jobs": [ITEM]}, "UnprocessedKeys": {"jobs": {"Keys": [KEY]}}},
    ),
}


def client(body: bytes, status: int = 200, *, direct: bool = True) -> Any:
    """Return a client that gets this answer to every request: ours, or boto3's own."""
    session: Any = boto3.Session("test", "test", region_name="eu-west-1")
    config = Config(parameter_validation=False, retries={"mode": "standard", "total_max_attempts": 1})
    made = Clients(session).client("dynamodb", config) if direct else session.client("dynamodb", config=config)

    def answer(**_: Any) -> AWSResponse:
        raw = HTTPResponse(io.BytesIO(body), preload_content=False)
        return AWSResponse("https://dynamodb.eu-west-1.amazonaws.com", status, HTTPHeaders(), raw)

    made.meta.events.register("before-send.dynamodb", answer)
    return made


@pytest.mark.parametrize("operation", CALLS)
def test_items_are_those_of_botocore(operation: str) -> None:
    arguments, answer = CALLS[operation]
    body = json.dumps(answer).encode()
    ours = getattr(client(body), operation)(**arguments)
    assert ours == getattr(client(body, direct=False), operation)(**arguments)
    assert {name: ours[name] for name in answer} == answer


@pytest.mark.parametrize("operation", CALLS)
def test_botocore_does_not_parse_the_items_again(operation: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments, answer = CALLS[operation]
    made, parsed = client(json.dumps(answer).encode()), []
    parser: Any = parsers.JSONParser
    handle_map = parser._handle_map  # noqa: SLF001 - every item is a map

    def counted(self: Any, shape: Any, value: Any) -> Any:
        parsed.append(shape.name)
        return handle_map(self, shape, value)

    monkeypatch.setattr(parser, "_handle_map", counted)
    getattr(made, operation)(**arguments)
    assert parsed == []


@pytest.mark.parametrize("body", [b"<html>", b"[]", b"null", b'"text"', b""])
def test_an_answer_that_is_no_object_is_left_to_botocore(body: bytes) -> None:
    def got(*, direct: bool) -> Any:
        try:
            return client(body, direct=direct).get_item(TableName="jobs", Key=KEY)
        except Exception as error:  # noqa: BLE001 - errors are compared
            return type(error)

    assert got(direct=True) == got(direct=False)


def test_a_failed_condition_has_the_row() -> None:
    failed = {"__type": "com.amazonaws.dynamodb.v20120810#ConditionalCheckFailedException", "Item": ITEM}
    made = client(json.dumps(failed).encode(), 400)
    with pytest.raises(ClientError) as raised:
        made.update_item(TableName="jobs", Key=KEY, ReturnValuesOnConditionCheckFailure="ALL_OLD")
    assert isinstance(raised.value, made.exceptions.ConditionalCheckFailedException)
    response: Any = raised.value.response
    assert response["Item"] == ITEM
