"""The largest that our code sends to AWS is within the documented quotas, which docs/decisions/0005 lists.

The texts below are the longest that the code accepts: a tenant of 128 characters, a subject of 230, and so on.
"""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.authoring.files import MAX_FILES
from analysis_jobs.base.tenants import is_tenant
from analysis_jobs.base.usage import Usage
from analysis_jobs.documents import safe_filename, upload_key
from analysis_jobs.events.publisher import MAX_CALL_BYTES, event_from
from analysis_jobs.jobs.key_limits import MAX_SORT_KEY_BYTES, subject_sort_key
from analysis_jobs.jobs.ports import RowChange
from analysis_jobs.jobs.record import (
    MAX_HISTORY,
    HistoryEntry,
    IdempotencyKey,
    JobFailure,
    JobKey,
    JobRecord,
    Payload,
    StoredFile,
)
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.items import to_item
from analysis_jobs.stores.pointers import idempotency_item_key
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs_dev.cloud.emulator.heads import MAX_KEY_BYTES
from analysis_jobs_dev.cloud.emulator.quotas import event_bytes, unfit_message_id
from tests.handlers.builders import START, a_job

WIDE = "\U0001f4c8"  # four bytes in UTF-8, six in a JSON text of ASCII
TENANT = "t" * 128
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html
MAX_PARTITION_KEY_BYTES = 2_048
MAX_ITEM_BYTES = 400 * 1024
# https://docs.aws.amazon.com/general/latest/gr/sns.html
MAX_NOTICE_BYTES = 256 * 1024
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html
MAX_MESSAGE_BYTES = 1_048_576
ALLOWED_CHARACTERS = re.compile(r"[\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]*")


def largest_job(**fields: Any) -> JobRecord:
    """Return a job with the longest texts and the most entries that the code accepts."""
    usage = Usage(**dict.fromkeys(Usage.__dataclass_fields__, 10**9))
    stages = tuple(f"{'s' * 60}{number}" for number in range(20))
    given: dict[str, Any] = {
        "tenant": TENANT,
        "analysis": "a" * 63,
        "subject": WIDE * 230,
        "client": WIDE * 128,
        "project": WIDE * 128,
        "input": Payload(text="x" * 100_000),
        "result": Payload(text="x" * 100_000),
        "status": Status.FAILED,
        "stage": stages[0],
        "stages_completed": stages,
        "failure": JobFailure("c" * 100, WIDE * 2_000, retryable=True),
        "usage": usage,
        "models": {f"{'m' * 200}{number}": usage for number in range(10)},
        "prompts": dict.fromkeys(stages, "p" * 300),
        "checkpoints": {f"{'c' * 97}{number:03}": "1.1-" + "d" * 50 for number in range(100)},
        "timeouts": dict.fromkeys(stages, 2),
        "files": {f"{'f' * 125}{number:03}": StoredFile(1, 10**9, "application/json") for number in range(MAX_FILES)},
        "history": tuple(HistoryEntry(START, "continue", Status.QUEUED) for _ in range(MAX_HISTORY)),
        "code_version": "v" * 256,
        "finished_at": START,
    }
    return a_job(**(given | fields))


def size(text: str) -> int:
    return len(text.encode())


def test_the_largest_row_is_below_the_limit_of_an_item() -> None:
    item = to_item(largest_job())
    # DynamoDB counts names and values in UTF-8. The JSON of the item has the types and the punctuation in addition.
    assert size(json.dumps(item, ensure_ascii=False)) < MAX_ITEM_BYTES


def test_every_key_of_a_row_is_below_the_limits_of_table_and_indexes() -> None:
    item = to_item(largest_job(tier="gold", tier_rank=0, lane_sort_key=f"0#{'0' * 26}"))
    keys: Mapping[str, int] = {
        "tenant": MAX_PARTITION_KEY_BYTES,
        "item": MAX_SORT_KEY_BYTES,
        "tenant_status": MAX_PARTITION_KEY_BYTES,
        "tenant_client": MAX_PARTITION_KEY_BYTES,
        "tenant_subject": MAX_PARTITION_KEY_BYTES,
        "due_shard": MAX_PARTITION_KEY_BYTES,
        "lane": MAX_PARTITION_KEY_BYTES,
        "waiting": MAX_SORT_KEY_BYTES,
    }
    assert keys.keys() <= item.keys()
    assert {name for name, limit in keys.items() if size(item[name]["S"]) > limit} == set()


def test_the_pointers_of_the_longest_names_fit() -> None:
    assert size(subject_sort_key("a" * 63, WIDE * 230)) <= MAX_SORT_KEY_BYTES
    key = idempotency_item_key(TENANT, IdempotencyKey("d" * 64, "b" * 64, START + timedelta(hours=24)))
    assert size(key["item"]["S"]) <= MAX_SORT_KEY_BYTES


@pytest.mark.parametrize("filename", ["n" * 255, WIDE * 255, f"{'n' * 250}.pdf"])
def test_the_key_of_an_upload_is_below_the_limit_of_s3(filename: str) -> None:
    assert size(upload_key(TENANT, f"{'0' * 26}/{safe_filename(filename)}")) <= MAX_KEY_BYTES


def test_an_event_and_a_notice_of_the_largest_job_fit_into_one_call() -> None:
    event = event_from(RowChange(largest_job(history=()), None), "n" * 25)
    assert event
    entry = {"Source": "analysis-jobs", "DetailType": event.detail_type, "Detail": event.body, "Time": START}
    assert event_bytes(entry) <= event.size <= MAX_CALL_BYTES
    assert size(event.body) + size(event.analysis) <= MAX_NOTICE_BYTES


class Recorded:
    """Records what would be sent to SQS."""

    def __init__(self) -> None:
        self.sent: dict[str, Any] = {}

    def send_message(self, **message: Any) -> None:
        self.sent = message


@pytest.mark.parametrize("queue", ["jobs", "jobs.fifo"])
@pytest.mark.parametrize("rank", [None, 999])
@pytest.mark.parametrize("tenant", [TENANT, "a_.@:+-9"])
def test_a_message_of_the_longest_names_is_one_that_sqs_accepts(queue: str, rank: int | None, tenant: str) -> None:
    assert is_tenant(tenant)
    client = Recorded()
    job = JobKey(tenant, "0" * 26)
    SqsJobQueue(client, {"medium": f"https://sqs/1/{queue}"}).send(  # type: ignore[arg-type]
        "medium", job, dedupe=f"{job.job_id}.{10**9}", delay=timedelta(hours=9), tier_rank=rank, subject=WIDE * 230
    )
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        assert unfit_message_id(name, client.sent.get(name)) is None
    assert 0 <= client.sent.get("DelaySeconds", 0) <= 900
    assert size(client.sent["MessageBody"]) <= MAX_MESSAGE_BYTES
    assert ALLOWED_CHARACTERS.fullmatch(client.sent["MessageBody"])
