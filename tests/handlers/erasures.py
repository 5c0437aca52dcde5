"""An erasure over stores in memory or on moto, and jobs to erase."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.documents import upload_key
from analysis_jobs.jobs.admission import AdmissionKey, AdmissionState, AdmissionWrite, RatePointer, SubjectPointer
from analysis_jobs.jobs.erasing import ErasableFiles, ErasableMessages, ErasableRows, Scope
from analysis_jobs.jobs.payloads import job_folder
from analysis_jobs.jobs.ports import ArtifactStore, JobStore
from analysis_jobs.jobs.record import HistoryEntry, IdempotencyKey, JobKey, JobRecord, Payload
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.privacy.erasure import Erasure
from analysis_jobs.privacy.receipt import Receipt
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.erasing import DynamoRows, S3Files, SqsDeadLetters
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore
from analysis_jobs.stores.memory_erasing import MemoryFiles, MemoryMessages, MemoryRows
from analysis_jobs.stores.s3 import S3ArtifactStore
from tests.handlers.aws import REGION, client, create_job_table
from tests.handlers.builders import START, a_job

DEAD_LETTERS = "jobs-dlq"
DAY = timedelta(days=1)


@dataclass
class Place:
    """The stores of one stack, and an erasure over them."""

    store: JobStore
    artifacts: ArtifactStore
    rows: ErasableRows
    files: ErasableFiles
    messages: ErasableMessages
    queue: str
    clock: ManualClock
    sqs: Any = None
    prefix: str = ""

    @property
    def erasure(self) -> Erasure:
        return Erasure(
            self.rows, self.store, self.artifacts, self.files, self.messages, [self.queue], self.clock, timedelta()
        )

    def erase(self, *, subject: str | None = None, job: JobKey | None = None, dry_run: bool = False) -> Receipt:
        scope = Scope("acme", job.job_id if job else None, subject)
        return self.erasure.run(scope, by="an operator", dry_run=dry_run)

    def put_dead_letter(self, body: dict[str, Any]) -> None:
        """Put a message into the dead-letter queue."""
        if self.sqs:
            self.sqs.send_message(QueueUrl=self.queue, MessageBody=json.dumps(body))
        elif isinstance(self.messages, MemoryMessages):
            self.messages.queues.setdefault(self.queue, []).append(JobKey(body["tenant"], body["job_id"]))

    def dead_letters(self) -> int:
        """Return the number of messages that are visible."""
        if not self.sqs and isinstance(self.messages, MemoryMessages):
            return len(self.messages.queues.get(self.queue, []))
        found = self.sqs.receive_message(QueueUrl=self.queue, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return len(found.get("Messages", []))

    def stored(self, prefix: str = "") -> list[str]:
        """Return the keys of all versions of all objects below a prefix."""
        return sorted(version.key for version in self.files.versions(prefix))

    def items(self, tenant: str = "acme") -> list[str]:
        """Return the types of all items of a tenant."""
        return sorted(type(item).__name__ for item in self.rows.items(tenant))


def in_memory(clock: ManualClock) -> Place:
    """Return a place in memory."""
    store, artifacts = MemoryJobStore(), MemoryArtifactStore()
    return Place(store, artifacts, MemoryRows(store), MemoryFiles(artifacts), MemoryMessages(), DEAD_LETTERS, clock)


def on_aws(clock: ManualClock, name: str, prefix: str = "teams/analysis/") -> Place:
    """Return a place on moto: a bucket with versions and a prefix, and a real queue."""
    dynamodb, s3, sqs = client("dynamodb"), client("s3"), client("sqs")
    create_job_table(dynamodb, name)
    s3.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    queue = sqs.create_queue(QueueName=f"{name}-dlq")["QueueUrl"]
    return Place(
        DynamoJobStore(dynamodb, name, clock),
        S3ArtifactStore(s3, name, prefix),
        DynamoRows(dynamodb, name),
        S3Files(s3, name, prefix),
        SqsDeadLetters(sqs, wait_s=0),
        queue,
        clock,
        sqs,
        prefix,
    )


def an_ended_job(
    place: Place, subject: str | None = "users/7", documents: Sequence[str] = (), **fields: Any
) -> JobRecord:
    """Store a completed job of a day ago with everything that a job can have, and return it."""
    at = START - DAY
    given: dict[str, Any] = {
        "status": Status.COMPLETED,
        "subject": subject,
        "created_at": at,
        "finished_at": at + timedelta(minutes=5),
        "due_at": None,
        "attempt": 1,
        "fence": 1,
        "history": (HistoryEntry(at, "claim", Status.PROCESSING),),
    }
    job = a_job(**(given | fields))
    if documents:
        pinned = dict.fromkeys(documents, "v1")
        job = a_job(**(given | fields | {"job_id": job.job_id, "documents": Payload(json.dumps(pinned))}))
    key = IdempotencyKey(f"digest-{job.job_id}", "body", START + DAY)
    if subject:
        admission_key = AdmissionKey("acme", job.analysis, subject, subject)
        state, _ = place.store.read_admission_state(admission_key, None, START)
        version = state.subject.version if state.subject else 0
        times = (*(state.rate.admitted if state.rate else ()), job.created_at)
        rate = RatePointer(times, (state.rate.version if state.rate else 0) + 1)
        write = AdmissionWrite(
            admission_key,
            AdmissionState(state.subject, None, state.rate),
            SubjectPointer(job.job_id, version + 1, state.last_analysis),
            rate,
            START + DAY,
            START + DAY,
        )
        place.store.admit(job, key, write)
    else:
        place.store.create(job, key)
    for name in ("checkpoints/1.1-a-b.json", "files/report.pdf", "1-result.json"):
        place.artifacts.write(f"{job_folder(job)}/{name}", b"{}", "application/json")
    for document in documents:
        place.artifacts.write(upload_key("acme", document), b"a scan", "application/pdf")
    place.put_dead_letter({"tenant": "acme", "job_id": job.job_id})
    return job
