"""What happens to one job while a process dies: the scenarios of the crash points."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from tests.handlers.builders import MINUTE, SECOND


@dataclass(frozen=True)
class Scenario:
    """What happens to one job, and the status in which it ends.

    `replies` are the errors that the model returns first, empty for an answer; after them it answers. `work` is what
    costs money or minutes: the model calls that are answered, and the pages that OCR begins to read.
    """

    name: str
    ends: str
    work: int  # without a crash
    analysis: str = "valuation"
    keyed: bool = False
    replies: tuple[str, ...] = ()
    stop_after: timedelta | None = None
    deadline: timedelta = 30 * MINUTE
    acts: Mapping[str, timedelta] = field(default_factory=dict)  # "cancel" or "retry", with the time after the start
    lose_messages: int = 0  # number of messages lost, from the first on
    die_asking: int | None = None  # the worker dies during the model call of this number
    tiered: bool = False
    lists: bool = False  # each checkpoint moves the earlier ones from the row into a list in the bucket
    shared: bool = False  # the worker could run other jobs too; it receives the message itself, and deletes it
    together: bool = False  # the sweeper writes its row in a transaction, as it does with many rows
    exact: bool = True  # a run without a crash does exactly `work`; otherwise at most


@dataclass(frozen=True)
class Crash:
    """The AWS call at which a process dies: before the request is sent, or after the reply arrived."""

    call: int
    after: bool


# Each with the status of its end, and its work without a crash.
SCENARIOS = (
    Scenario("two stages", "completed", 3),
    Scenario("submitted with an idempotency key", "completed", 3, keyed=True),
    Scenario("throttled", "completed", 3, replies=("ThrottlingException",)),
    Scenario("an error of the model", "completed", 3, replies=("ModelStreamErrorException",)),
    Scenario("refused by the model", "failed", 0, replies=("ValidationException",) * 5),
    Scenario("too long for one invocation", "completed", 3, stop_after=45 * SECOND),
    Scenario("with lists of checkpoints", "completed", 3, lists=True),
    Scenario("with lists, throttled", "completed", 3, replies=("", "", "ThrottlingException"), lists=True),
    Scenario("cancelled at work", "cancelled", 2, keyed=True, acts={"cancel": 30 * SECOND}, exact=False),
    Scenario("cancelled, and its worker dies", "cancelled", 2, acts={"cancel": 30 * SECOND}, die_asking=2, exact=False),
    Scenario("its message is lost", "completed", 3, lose_messages=1),
    Scenario("of a tier", "completed", 3, tiered=True),
    Scenario("of a tier, throttled", "completed", 3, replies=("ThrottlingException",), tiered=True),
    Scenario("of a tier, and its message is lost", "completed", 3, lose_messages=1, tiered=True),
    Scenario("its worker dies, and its message is lost", "completed", 4, die_asking=2),
    Scenario("the worker of its only attempt dies", "failed", 1, analysis="brief", die_asking=1, exact=False),
    Scenario("no message arrives until its deadline", "failed", 0, deadline=4 * MINUTE, lose_messages=99),
    Scenario("failed, and retried", "completed", 3, replies=("ValidationException",), acts={"retry": 90 * SECOND}),
    Scenario("its message is lost, and many are overdue", "completed", 3, lose_messages=2, together=True),
    Scenario("its worker dies, and many are overdue", "completed", 4, die_asking=2, together=True),
    Scenario(
        "its only attempt dies, and many are overdue",
        "failed",
        1,
        analysis="brief",
        die_asking=1,
        together=True,
        exact=False,
    ),
    Scenario(
        "beside others, its worker dies, many are overdue", "completed", 4, die_asking=2, shared=True, together=True
    ),
    Scenario("beside others", "completed", 3, shared=True),
    Scenario("beside others, throttled", "completed", 3, replies=("ThrottlingException",), shared=True),
    Scenario("beside others, too long for the time left", "completed", 3, stop_after=45 * SECOND, shared=True),
    Scenario("beside others, cancelled", "cancelled", 2, acts={"cancel": 30 * SECOND}, shared=True, exact=False),
    Scenario("beside others, of a tier", "completed", 3, tiered=True, shared=True),
    Scenario("beside others, and its worker dies", "completed", 4, die_asking=2, shared=True),
    Scenario("a scan", "completed", 4, analysis="scan"),
    Scenario("a scan too long for one invocation", "completed", 4, analysis="scan", stop_after=45 * SECOND),
)
