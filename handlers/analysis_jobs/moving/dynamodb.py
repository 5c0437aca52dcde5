"""A DynamoDB table with a status attribute, for example that of an API that invokes its worker asynchronously."""

from collections.abc import Generator, Mapping
from datetime import datetime
from typing import Any

from analysis_jobs.moving.items import Claim, Item, Problem, States

_ID = "{id}"


class DynamoTable:
    """Work as items of a DynamoDB table.

    Args:
        table: boto3's resource of the table.
        key: The key of an item, with `{id}` for the old id: `{"PK": "PROPOSAL#{id}", "SK": "METADATA"}`. Items with
            another key are ignored.
        status: The attribute with the state.
        states: The words and times of the older system.
        mark: The attribute that stores a move that has begun. The attribute `<mark>_job` gets the id of the new job.
            An item with several analyses needs a mark for each.

    An old worker that writes its state without a condition can overwrite a mark. Stop it first, or let `dead_after`
    cover it.
    """

    def __init__(
        self, table: Any, *, key: Mapping[str, str], status: str, states: States, mark: str = "move_in"
    ) -> None:
        self._with_id = next((name for name, text in key.items() if text.count(_ID) == 1), None)
        if self._with_id is None:
            raise ValueError(f"one value of `key` must contain {_ID}, not {dict(key)}")
        self.name = f"{table.name}/{status}"
        self._table = table
        self._key = dict(key)
        self._states = states
        self._names = {"#s": status, "#since": states.since, "#mark": mark, "#job": f"{mark}_job"}

    def open_work(self, now: datetime, *, take: bool) -> Generator[Item | Problem, None, None]:  # noqa: ARG002 - nothing is taken
        """Yield the items that have not ended. Reads the whole table, consistently."""
        words = {f":s{number}": word for number, word in enumerate(self._states.open)}
        scan: dict[str, Any] = {
            "ConsistentRead": True,
            "ExpressionAttributeNames": {"#s": self._names["#s"]},
            "ExpressionAttributeValues": words,
            "FilterExpression": f"#s IN ({', '.join(words)})",
        }
        while True:
            page = self._table.scan(**scan)
            for row in page["Items"]:
                old_id = self._id_of(row)
                if old_id is not None:
                    yield self._item(old_id, row, now)
            if "LastEvaluatedKey" not in page:
                return
            scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]

    def look(self, old_id: str, now: datetime) -> Item | Problem | None:
        """Return the item of an id."""
        row = self._table.get_item(Key=self._key_of(old_id), ConsistentRead=True).get("Item")
        return self._item(old_id, row, now) if row and self._names["#s"] in row else None

    def claim(self, item: Item, claim: Claim) -> bool:
        """Mark the item, if its state and its time are as they were read."""
        values = {":s": item.status, ":moving": self._states.moving, ":mark": claim.to_json()}
        same_time = "attribute_not_exists(#since)"
        if item.raw_since is not None:
            values[":since"], same_time = item.raw_since, "#since = :since"
        return self._update(item, "SET #s = :moving, #mark = :mark", f"#s = :s AND {same_time}", values)

    def release(self, item: Item) -> None:
        """Give the item its state from before the move."""
        was = item.claim.was if item.claim else item.status
        values = {":s": was, ":moving": self._states.moving}
        self._update(item, "SET #s = :s REMOVE #mark", "#s = :moving", values)

    def settle(self, item: Item, job_id: str) -> bool:
        """Name the job, if the item is still marked."""
        values = {":moved": self._states.moved, ":moving": self._states.moving, ":job": job_id}
        return self._update(item, "SET #s = :moved, #job = :job", "#s = :moving", values)

    def forget(self, item: Item) -> None:
        """Do nothing: there is no message."""

    def notes(self) -> list[str]:
        """Return nothing."""
        return []

    def _item(self, old_id: str, row: Mapping[str, Any], now: datetime) -> Item | Problem:
        status, mark, job = (row.get(self._names[name]) for name in ("#s", "#mark", "#job"))
        return self._states.item(old_id, status, row, mark, job, now)

    def _key_of(self, old_id: str) -> dict[str, str]:
        return {name: text.replace(_ID, old_id) for name, text in self._key.items()}

    def _id_of(self, row: Mapping[str, Any]) -> str | None:
        before, _, after = self._key[str(self._with_id)].partition(_ID)
        value = str(row[str(self._with_id)])
        old_id = value.removeprefix(before).removesuffix(after)
        matches = all(row[name] == text for name, text in self._key_of(old_id).items())
        return old_id if matches else None

    def _update(self, item: Item, update: str, condition: str, values: Mapping[str, Any]) -> bool:
        used = {name: each for name, each in self._names.items() if f"{name} " in f"{update} {condition} "}
        used |= {"#since": self._names["#since"]} if "#since" in condition else {}
        try:
            self._table.update_item(
                Key=self._key_of(item.old_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=used,
                ExpressionAttributeValues=dict(values),
            )
        except self._table.meta.client.exceptions.ConditionalCheckFailedException:
            return False
        return True
