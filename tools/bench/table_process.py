"""A job table and a queue that hold very many jobs, for a sweep.

    python -m bench.table_process CHAIN KEY LIVING OVERDUE

It answers what a sweeper asks (Query of the index `due`, BatchGetItem, GetItem, UpdateItem, TransactWriteItems,
SendMessage and SendMessageBatch) in the form of DynamoDB and SQS. It checks no condition: each step succeeds. Every
answer takes as long as in AWS. Moto and MiniStack look at every row for each query, so a sweep of 100,000 rows would
measure them.
"""

import hashlib
import json
import sys
import time
from collections import defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from threading import Lock
from typing import Any

from analysis_jobs.base.ids import new_id
from analysis_jobs.jobs.record import HistoryEntry, JobRecord, Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.items import to_item
from bench.tls_server import Handler, serve

# A page of a query has 1 MB at most: https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Query.Pagination.html
_PAGE_BYTES = 1_000_000
_INDEX_KEYS = ("tenant", "item", "due_shard", "due_at")
_ENTRY_BYTES = 100
_LATENCY_S = {"DynamoDB_20120810": 0.004, "AmazonSQS": 0.008}
_TRANSACTION_S = 0.02
_HOUR = timedelta(hours=1)


class Table:
    """The rows. `stepped` are the rows that a sweep has changed: the index has them no more."""

    def __init__(self, living: int, overdue: int) -> None:
        now = datetime.now(UTC)
        self._items: dict[str, str] = {}
        self._again: dict[str, str] = {}
        self._shards: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        self._stepped: set[str] = set()
        self._lock = Lock()
        total = living + overdue
        for number in range(total):
            # Evenly spread: a sweep meets living rows between the overdue ones.
            is_overdue = (number + 1) * overdue // total > number * overdue // total
            job = _job(now, number, is_overdue=is_overdue)
            item = to_item(job)
            key = item["item"]["S"]
            self._items[key] = json.dumps(item)
            if is_overdue:
                self._again[key] = json.dumps(to_item(replace(job, status=Status.QUEUED, lease_until=None)))
            self._shards[item["due_shard"]["S"]].append({name: item[name] for name in _INDEX_KEYS})

    def query(self, request: dict[str, Any]) -> str:
        """Return a page of one shard of the index. The rows were made in the order of their due time."""
        entries = self._shards.get(request["ExpressionAttributeValues"][":shard"]["S"], [])
        start = int(request.get("ExclusiveStartKey", {}).get("position", {"N": "0"})["N"])
        end = start + _PAGE_BYTES // _ENTRY_BYTES
        page = [entry for entry in entries[start:end] if entry["item"]["S"] not in self._stepped]
        answer: dict[str, Any] = {"Items": page, "Count": len(page), "ScannedCount": len(page)}
        if end < len(entries):
            answer["LastEvaluatedKey"] = {"position": {"N": str(end)}}
        return json.dumps(answer)

    def read(self, request: dict[str, Any]) -> str:
        """Return the rows of a batch."""
        [(table, wanted)] = request["RequestItems"].items()
        names = wanted.get("ExpressionAttributeNames", {}).values() if "ProjectionExpression" in wanted else ()
        rows = [self._items[key] for each in wanted["Keys"] if (key := each["item"]["S"]) in self._items]
        found = ",".join(_projected(row, frozenset(names)) for row in rows)
        return f'{{"Responses": {{"{table}": [{found}]}}, "UnprocessedKeys": {{}}}}'

    def read_one(self, request: dict[str, Any]) -> str:
        """Return one row."""
        found = self._items.get(request["Key"]["item"]["S"])
        return f'{{"Item": {found}}}' if found else "{}"

    def step(self, request: dict[str, Any]) -> str:
        """Return the row of an overdue job as it is after the step of a sweeper."""
        key = request["Key"]["item"]["S"]
        with self._lock:
            self._stepped.add(key)
        return f'{{"Attributes": {self._again[key]}}}'

    def step_all(self, request: dict[str, Any]) -> str:
        """Take the steps of a transaction."""
        with self._lock:
            self._stepped.update(each["Update"]["Key"]["item"]["S"] for each in request["TransactItems"])
        return "{}"


@cache
def _projected(row: str, names: frozenset[str]) -> str:
    """Return a row with the named attributes only; all of them if there are no names."""
    return json.dumps({name: value for name, value in json.loads(row).items() if name in names}) if names else row


def _job(now: datetime, number: int, *, is_overdue: bool) -> JobRecord:
    """Return a living job, or an overdue one: in turns a dead worker's and one with a lost message."""
    submitted = now - _HOUR + timedelta(milliseconds=number)
    lost = is_overdue and number % 2 == 0
    history = [HistoryEntry(submitted, "submit", Status.QUEUED)]
    if not lost:
        history.append(HistoryEntry(submitted, "claim", Status.PROCESSING))
    return JobRecord(
        tenant=f"tenant-{number % 20}",
        job_id=new_id(submitted),
        analysis="waiting",
        status=Status.QUEUED if lost else Status.PROCESSING,
        input=Payload(text='{"parts":0,"padding":""}'),
        priority="medium",
        created_at=submitted,
        deadline=now + 6 * _HOUR,
        max_attempts=3,
        due_at=submitted + timedelta(minutes=1),
        attempt=0 if lost else 1,
        fence=0 if lost else 1,
        lease_until=None if lost else now + (-_HOUR if is_overdue else _HOUR),
        history=tuple(history),
    )


class _Aws(Handler):
    table: Table

    def respond(self, body: bytes) -> tuple[int, bytes]:
        service, _, operation = self.headers["X-Amz-Target"].partition(".")
        request = json.loads(body)
        time.sleep(_TRANSACTION_S if operation == "TransactWriteItems" else _LATENCY_S[service])
        answers = {
            "Query": self.table.query,
            "BatchGetItem": self.table.read,
            "GetItem": self.table.read_one,
            "UpdateItem": self.table.step,
            "TransactWriteItems": self.table.step_all,
            "SendMessage": _sent,
            "SendMessageBatch": _sent_batch,
        }
        return 200, answers[operation](request).encode()


def _sent(request: dict[str, Any]) -> str:
    return json.dumps(_receipt(request))


def _sent_batch(request: dict[str, Any]) -> str:
    return json.dumps({"Successful": [{"Id": entry["Id"], **_receipt(entry)} for entry in request["Entries"]]})


def _receipt(message: dict[str, Any]) -> dict[str, str]:
    digest = hashlib.md5(message["MessageBody"].encode(), usedforsecurity=False).hexdigest()
    return {"MessageId": digest, "MD5OfMessageBody": digest}


if __name__ == "__main__":
    _Aws.table = Table(int(sys.argv[3]), int(sys.argv[4]))
    serve(_Aws, sys.argv[1], sys.argv[2])
