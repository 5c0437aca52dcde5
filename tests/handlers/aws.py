"""Creates the AWS resources that the stores use, on moto."""

from typing import TYPE_CHECKING, Any

import boto3

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient

REGION = "eu-west-1"
INDEXES = ("status", "client", "subject")


def client(service: str) -> Any:
    """Return a client of a service. The test must run under `mock_aws`."""
    return boto3.client(service, region_name=REGION)  # type: ignore[call-overload]


def create_job_table(dynamodb: "DynamoDBClient", name: str) -> None:
    """Create a table with the keys and the indexes of `modules/job-table`."""
    texts = ("tenant", "item", "due_shard", "lane", "waiting", *(f"tenant_{index}" for index in INDEXES))
    dynamodb.create_table(
        TableName=name,
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[
            *({"AttributeName": text, "AttributeType": "S"} for text in texts),  # type: ignore[list-item]
            {"AttributeName": "due_at", "AttributeType": "N"},
        ],
        KeySchema=_keys("tenant", "item"),
        GlobalSecondaryIndexes=[
            *(_index(f"by-{index}", f"tenant_{index}", "item") for index in INDEXES),
            _index("due", "due_shard", "due_at"),
            _index("waiting", "lane", "waiting"),
        ],
    )


def _index(name: str, hash_key: str, range_key: str) -> Any:
    return {"IndexName": name, "KeySchema": _keys(hash_key, range_key), "Projection": {"ProjectionType": "KEYS_ONLY"}}


def _keys(hash_key: str, range_key: str) -> Any:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]
