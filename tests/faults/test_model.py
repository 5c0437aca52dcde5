"""The model check: the shipped worker, sweeper and API in random interleavings and with injected faults.

One thread runs at a time. Each request may fail, arrive late, arrive twice or lose its reply, and each process may die
or stall. After every write that lands, every invariant is checked. At the end of a walk every job must end.
"""

from collections import Counter
from collections.abc import Callable
from itertools import count
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from moto import mock_aws

from analysis_jobs.jobs.ports import JobStore
from analysis_jobs.jobs.transitions import ALL
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.memory import MemoryJobStore
from tests.faults import figures
from tests.faults.mutations import MUTATIONS
from tests.faults.scenes import SCENES, Scene
from tests.faults.scheduler import VirtualClock
from tests.faults.walk import Walk
from tests.faults.world import open_world
from tests.handlers.aws import client, create_job_table

pytestmark = pytest.mark.usefixtures("quiet")

EVENTS = 200
BUDGET = 1_500  # a mutation must be caught within so many walks
# These mutations are caught within a second. They also run in `make test`.
SOON_FOUND = (
    "a beat without the token",
    "a completion without the token",
    "a stop without the token",
    "a claim of a job with a live lease",
    "a sweep that expires a job with a live lease",
    "a sweep that takes an expired lease for a held one",
    "attempts counted at the failure and not at the claim",
    "a deferral that lowers the token",
    "a claim before the wait is over",
    "a death beside other jobs that spends an attempt",
    "a claim after the deadline",
    "a wait without a due_at",
    "an ended job with a due_at",
    "a lane in which the worst job is claimed first",
    "a claim that leaves the job in the lane's order",
    "a claim that the stream's filter drops",
    "a heartbeat that the stream's filter passes",
    "checkpoints without the token in their key",
)

type MakeStore = Callable[[VirtualClock], JobStore]


def in_memory(_: VirtualClock) -> JobStore:
    return MemoryJobStore()


def walk(make_store: MakeStore, seeds: range, focus: str | None = None) -> tuple[Counter[str], int, set[int]]:
    """Make one walk for each seed; return the writes by name, the number of steps, and the distinct interleavings."""
    landed: Counter[str] = Counter()
    steps, interleavings = 0, set()
    for seed in seeds:
        with open_world(make_store, seed) as world:
            try:
                Walk(world, Random(seed), focus).go(EVENTS)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            landed += world.ledger.landed
            steps += world.events
            interleavings.add(hash(tuple(world.trace)))
    return landed, steps, interleavings


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_written_scene_keeps_the_invariants_and_ends_its_job(scene: Scene) -> None:
    with open_world(in_memory, 0) as world:
        scene(world)
        world.settle(keep_messages=True)
        assert [life.row.status.ended for life in world.ledger.lives.values()] == [True]


def test_every_invariant_holds_in_memory(long: bool) -> None:
    landed, steps, interleavings = walk(in_memory, range(3_000 if long else 100))
    assert set(landed) == {edge.name for edge in ALL}  # every transition of the table occurred
    figures.record("Model check, in memory", steps=steps, interleavings=len(interleavings), writes=landed.total())


def test_every_invariant_holds_on_dynamodb(long: bool) -> None:
    with mock_aws():
        dynamodb, numbers = client("dynamodb"), count(1)

        def on_dynamodb(clock: VirtualClock) -> JobStore:
            table = f"jobs-{next(numbers)}"
            create_job_table(dynamodb, table)
            return DynamoJobStore(dynamodb, table, clock)

        landed, steps, interleavings = walk(on_dynamodb, range(10_000, 10_150 if long else 10_005))
    assert landed["complete"] > 0
    figures.record("Model check, DynamoDB", steps=steps, interleavings=len(interleavings), writes=landed.total())


def test_hypothesis_finds_no_interleaving_that_breaks_an_invariant(long: bool) -> None:
    """Slower than the walks above, and with fewer steps. But Hypothesis reduces a failure to a short interleaving."""
    steps = []

    @settings(
        max_examples=1_000 if long else 30,
        database=None,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(choose=some.randoms(use_true_random=False), seed=some.integers(0, 1_000))
    def one(choose: Random, seed: int) -> None:
        with open_world(in_memory, seed) as world:
            Walk(world, choose).go(100)
            steps.append(world.events)

    one()
    figures.record("Model check, by Hypothesis", steps=sum(steps), interleavings=len(steps))


@pytest.mark.parametrize("name", SOON_FOUND)
def test_the_model_check_fails_without_a_condition(name: str) -> None:
    walks_until_caught(name)


@pytest.mark.faults
def test_the_model_check_fails_without_any_one_of_the_conditions() -> None:
    walks = [walks_until_caught(name) for name in MUTATIONS]
    figures.record("Mutations", tried=len(walks), caught=len(walks), most_walks_until_caught=max(walks))


def walks_until_caught(name: str) -> int:
    """Apply a mutation; return the number of walks until the model check failed."""
    mutation, how = MUTATIONS[name]
    seeds = range(BUDGET) if how is None or isinstance(how, str) else range(1)
    with mutation():
        for seed in seeds:
            with open_world(in_memory, seed) as world:
                try:
                    if callable(how):
                        how(world)
                    else:
                        Walk(world, Random(seed), how).go(EVENTS)
                except AssertionError:
                    assert world.ledger.broken, f"{name}: the walk failed without a broken invariant"
                    return seed + 1
    raise AssertionError(f"{name}: the model check did not catch this mutation")
