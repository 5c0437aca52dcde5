"""What a redrive reports of a dead-letter queue."""

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

_SHOWN_CHARACTERS = 200


class Fate(StrEnum):
    """The state of a message's job. With the first four, the message is deleted."""

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
        """Whether the message can be deleted. The sweeper resends the message of an active job if it needs one."""
        return self in {Fate.RUN_AGAIN, Fate.COMPLETED, Fate.CANCELLED, Fate.UNDER_WAY}


@dataclass
class QueueReport:
    """What was done with the messages of one queue. `hidden` counts those that another consumer has received."""

    queue_url: str
    hidden: int = 0
    fates: Counter[Fate] = field(default_factory=Counter)
    left: list[dict[str, str]] = field(default_factory=list)

    def note(self, message: Any, fate: Fate) -> None:
        """Count a message. If it stays in the queue, keep its body for the report."""
        self.fates[fate] += 1
        if not fate.accounted_for:
            body = message["Body"][:_SHOWN_CHARACTERS]
            self.left.append({"message_id": message["MessageId"], "why": str(fate), "body": body})
