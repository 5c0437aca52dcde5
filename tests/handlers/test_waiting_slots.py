"""Contract of the slots of waiting requests. Each test runs in memory and with DynamoDB."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest

from analysis_jobs.jobs.ports import WaitingSlots
from analysis_jobs.stores.waiting import DynamoWaitingSlots, MemoryWaitingSlots
from tests.handlers.builders import MINUTE, SECOND, START

type Make = Callable[[int, int], WaitingSlots]
LATER = START + 30 * SECOND


@pytest.fixture(params=["memory", "dynamo"])
def make(request: pytest.FixtureRequest) -> Make:
    """Return a function that makes slots: so many for each tenant, and so many for the stack."""
    if request.param == "memory":
        return MemoryWaitingSlots
    dynamodb, table = request.getfixturevalue("dynamodb"), request.getfixturevalue("table")
    return lambda per_tenant, per_stack: DynamoWaitingSlots(dynamodb, table, per_tenant, per_stack)


def test_a_tenant_gets_so_many_slots_and_no_more(make: Make) -> None:
    slots = make(2, 10)
    assert [slots.take("acme", START, LATER) is not None for _ in range(3)] == [True, True, False]
    assert slots.take("other", START, LATER)


def test_the_stack_has_so_many_slots_for_all_tenants(make: Make) -> None:
    slots = make(2, 3)
    tenants = ["acme", "acme", "other", "third"]
    assert [slots.take(tenant, START, LATER) is not None for tenant in tenants] == [True, True, True, False]


def test_a_freed_slot_is_taken_again(make: Make) -> None:
    slots = make(1, 1)
    slot = slots.take("acme", START, LATER)
    assert slot
    slots.free(slot)
    assert slots.take("other", START, LATER)


def test_a_slot_that_is_never_freed_expires(make: Make) -> None:
    slots = make(1, 1)
    assert slots.take("acme", START, LATER)
    assert slots.take("acme", LATER - SECOND, LATER) is None
    assert slots.take("acme", LATER, LATER + MINUTE)


def test_an_expired_slot_that_another_request_took_stays_taken(make: Make) -> None:
    slots = make(1, 1)
    first = slots.take("acme", START, LATER)
    assert first
    assert slots.take("acme", LATER, LATER + MINUTE)
    slots.free(first)
    assert slots.take("acme", LATER, LATER + MINUTE) is None


@pytest.mark.parametrize(("per_tenant", "per_stack"), [(0, 1), (1, 0)])
def test_without_slots_nobody_waits(make: Make, per_tenant: int, per_stack: int) -> None:
    assert make(per_tenant, per_stack).take("acme", START, LATER) is None


def test_requests_at_the_same_moment_never_get_the_same_slot() -> None:
    slots = MemoryWaitingSlots(per_tenant=5, per_stack=7)
    with ThreadPoolExecutor(8) as threads:
        got = list(threads.map(lambda number: slots.take(f"t{number % 2}", START, LATER), range(40)))
    taken = [slot for slot in got if slot]
    assert len(taken) == len({slot.stack_number for slot in taken}) == 7


def test_a_slot_that_another_request_takes_between_read_and_write_is_not_given_twice(dynamodb: Any, table: str) -> None:
    slots = DynamoWaitingSlots(dynamodb, table, 1, 5)
    rival: list[object] = []

    class Racing(DynamoWaitingSlots):
        def _transact(self, writes: list[dict[str, Any]]) -> bool:
            if not rival:
                rival.append(slots.take("acme", START, LATER))
            return super()._transact(writes)

    assert Racing(dynamodb, table, 1, 5).take("acme", START, LATER) is None
    assert rival != [None]


def test_an_item_of_a_slot_is_deleted_when_it_has_expired(dynamodb: Any, table: str) -> None:
    DynamoWaitingSlots(dynamodb, table, 1, 1).take("acme", START, START + timedelta(seconds=1.5))
    items = dynamodb.scan(TableName=table)["Items"]
    assert {item["expires_at"]["N"] for item in items} == {str(int(START.timestamp()) + 2)}
    assert all(item["item"]["S"].startswith("wait#") for item in items), "the events function ignores them"
