"""Accounts for the messages of a dead-letter queue: one goes only once its job is known to need it no longer.

The worker deletes the message of every job that it could end; what lies here is the pointer to a job whose workers
died, or were never able to begin, and what never was a pointer. The row of the job decides, not the message.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError
from pydantic import BaseModel, Field, ValidationError

from analysis_jobs.base.ids import ID_PATTERN
from analysis_jobs.cli.redrive import Outcome, Redrive, StoppedError
from analysis_jobs.client.http import Job

if TYPE_CHECKING:
    from types_boto3_sqs import SQSClient

# Long enough for ten jobs of which each is asked several times; after it, a redrive that died has let go of them.
_HELD_S = 300
_AT_ONCE = 10  # SQS's own limit of a batch
_LONG_POLL_S = 1  # more than 0: all of SQS's servers are asked, so that nothing means that nothing is there
_SHOWN_CHARACTERS = 200


class Fate(StrEnum):
    """What was found out about a message's job. The first four account for the message: it is deleted."""

    RUN_AGAIN = "run_again"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    UNDER_WAY = "under_way"
    NOT_MEANT = "failed_but_not_meant"
    NOT_RUN_AGAIN = "could_not_be_run_again"
    OTHER_TENANT = "job_of_another_tenant"
    UNKNOWN_JOB = "unknown_job"
    NOT_A_JOB = "not_a_job_message"

    @property
    def accounted_for(self) -> bool:
        """Whether nothing is lost when the message goes. A job under way has a row, and the sweeper looks after it."""
        return self in {Fate.RUN_AGAIN, Fate.COMPLETED, Fate.CANCELLED, Fate.UNDER_WAY}


class Pointer(BaseModel):
    """What a message of ours says."""

    job_id: str = Field(pattern=f"^{ID_PATTERN}$")
    tenant: str


@dataclass
class Accounts:
    """What became of the messages of one queue; `hidden` ones are in the hands of another reader."""

    queue_url: str
    hidden: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    left: list[dict[str, str]] = field(default_factory=list)

    def note(self, message: Any, fate: Fate) -> None:
        """Count a message, and keep what it said where it stays."""
        self.fates[fate] += 1
        if not fate.accounted_for:
            body = message["Body"][:_SHOWN_CHARACTERS]
            self.left.append({"message_id": message["MessageId"], "why": str(fate), "body": body})


class DeadLetters:
    """The dead-letter queues, seen with the operator's own credentials; `tenant` is the token's, where it says one."""

    def __init__(self, sqs: SQSClient, redrive: Redrive, tenant: str | None) -> None:
        self._sqs = sqs
        self._redrive = redrive
        self._tenant = tenant

    def account_for(self, accounts: Accounts) -> None:
        """Go through all messages of a queue. Raises StoppedError; what stays in the queue can then be seen again."""
        held: dict[str, str] = {}
        try:
            accounts.hidden = self._hidden(accounts.queue_url)
            for message in self._messages(accounts.queue_url, held):
                fate = self._fate(message["Body"])
                if fate.accounted_for and self._redrive.apply:
                    handle = held.pop(message["MessageId"])
                    self._sqs.delete_message(QueueUrl=accounts.queue_url, ReceiptHandle=handle)
                accounts.note(message, fate)
                self._redrive.on_progress(f"{accounts.fates.total()} dead letters")
        except (BotoCoreError, ClientError) as error:
            raise StoppedError(f"{accounts.queue_url}: {error}") from error
        finally:
            self._let_go(accounts.queue_url, list(held.values()))

    def _hidden(self, url: str) -> int:
        names: Any = ["ApproximateNumberOfMessagesNotVisible", "RedrivePolicy"]
        attributes = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=names)["Attributes"]
        if "RedrivePolicy" in attributes:
            raise StoppedError(f"{url} has a dead-letter queue of its own: it holds work. Name that other queue.")
        return int(attributes["ApproximateNumberOfMessagesNotVisible"])

    def _messages(self, url: str, held: dict[str, str]) -> Iterator[Any]:
        """Yield every message that can be seen, each once; `held` gets the receipts of all that were received."""
        seen: set[str] = set()
        while messages := self._sqs.receive_message(
            QueueUrl=url,
            MaxNumberOfMessages=_AT_ONCE,
            VisibilityTimeout=_HELD_S,
            WaitTimeSeconds=_LONG_POLL_S,
        ).get("Messages"):
            fresh = [message for message in messages if message["MessageId"] not in seen]
            seen.update(message["MessageId"] for message in fresh)
            held.update({message["MessageId"]: message["ReceiptHandle"] for message in messages})
            yield from fresh

    def _fate(self, body: str) -> Fate:
        try:
            pointer = Pointer.model_validate_json(body)
        except ValidationError:
            return Fate.NOT_A_JOB
        if self._tenant is not None and pointer.tenant != self._tenant:
            return Fate.OTHER_TENANT
        job = self._redrive.job(pointer.job_id)
        return Fate.UNKNOWN_JOB if job is None else self._fate_of(job)

    def _fate_of(self, job: Job) -> Fate:
        match job["status"]:
            case "failed":
                outcome = self._redrive.offer(job)
                if outcome is None:
                    return Fate.NOT_MEANT
                return Fate.NOT_RUN_AGAIN if outcome in {Outcome.FAILED, Outcome.REFUSED} else Fate.RUN_AGAIN
            case "queued" | "processing":
                return Fate.UNDER_WAY
            case ended:
                return Fate(ended)

    def _let_go(self, url: str, handles: list[str]) -> None:
        """Show the messages that stay to the next reader; if that fails, they are shown when the time is over."""
        for first in range(0, len(handles), _AT_ONCE):
            entries: Any = [
                {"Id": str(number), "ReceiptHandle": handle, "VisibilityTimeout": 0}
                for number, handle in enumerate(handles[first : first + _AT_ONCE])
            ]
            with suppress(BotoCoreError, ClientError):
                self._sqs.change_message_visibility_batch(QueueUrl=url, Entries=entries)


def region_of(queue_url: str) -> str | None:
    """Return the Region that a queue's URL names; None where it names none, and the environment decides."""
    found = re.match(r"https://sqs\.([a-z0-9-]+)\.", queue_url)
    return found[1] if found else None
