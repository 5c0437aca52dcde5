"""The shipped worker, sweeper and API in random interleavings: every invariant is checked at every write that lands."""

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
from tests.faults.baton import TurnClock
from tests.faults.mutations import MUTATIONS
from tests.faults.scenes import SCENES, Scene
from tests.faults.walk import Walk
from tests.faults.world import a_world
from tests.handlers.aws import client, create_job_table

pytestmark = pytest.mark.usefixtures("quiet")

EVENTS = 200
BUDGET = 1_500  # walks in which a mutation must be found
# Those that are found within a second run in `make test` too.
SOON_FOUND = (
    "a beat without the token",
    "a completion without the token",
    "a stop without the token",
    "a claim that takes what is held",
    "a sweep that expires what is held",
    "attempts counted on failure",
    "a deferral that gives the token back",
    "a claim before the wait is over",
    "a claim after the deadline",
    "a wait that is not due",
    "an end that stays due",
    "a lane in which the worst job is taken first",
    "a claim that leaves the job in the order",
    "checkpoints without the token in their key",
)

type MakeStore = Callable[[TurnClock], JobStore]


def in_memory(_: TurnClock) -> JobStore:
    return MemoryJobStore()


def walk(make_store: MakeStore, seeds: range, focus: str | None = None) -> tuple[Counter[str], int, set[int]]:
    """Walk once a seed; return what landed, how many steps were made, and the distinct interleavings."""
    landed: Counter[str] = Counter()
    steps, interleavings = 0, set()
    for seed in seeds:
        with a_world(make_store, seed) as world:
            try:
                Walk(world, Random(seed), focus).go(EVENTS)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            landed += world.ledger.landed
            steps += world.events
            interleavings.add(hash(tuple(world.trace)))
    return landed, steps, interleavings


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_every_scene_ends_well(scene: Scene) -> None:
    with a_world(in_memory, 0) as world:
        scene(world)
        world.calm_down(keep_messages=True)
        assert [life.row.status.ended for life in world.ledger.lives.values()] == [True]


def test_every_invariant_holds_in_memory(long: bool) -> None:
    landed, steps, interleavings = walk(in_memory, range(3_000 if long else 100))
    assert set(landed) == {edge.name for edge in ALL}  # nothing was left untried
    figures.record("Model check, in memory", steps=steps, interleavings=len(interleavings), writes=landed.total())


def test_every_invariant_holds_on_dynamodb(long: bool) -> None:
    with mock_aws():
        dynamodb, numbers = client("dynamodb"), count(1)

        def on_dynamodb(clock: TurnClock) -> JobStore:
            table = f"jobs-{next(numbers)}"
            create_job_table(dynamodb, table)
            return DynamoJobStore(dynamodb, table, clock)

        landed, steps, interleavings = walk(on_dynamodb, range(10_000, 10_150 if long else 10_005))
    assert landed["complete"] > 0
    figures.record("Model check, DynamoDB", steps=steps, interleavings=len(interleavings), writes=landed.total())


def test_hypothesis_finds_no_interleaving_that_breaks_an_invariant(long: bool) -> None:
    """As above, with fewer steps, more slowly; but where one fails, Hypothesis finds the shortest that does."""
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
        with a_world(in_memory, seed) as world:
            Walk(world, choose).go(100)
            steps.append(world.events)

    one()
    figures.record("Model check, by Hypothesis", steps=sum(steps), interleavings=len(steps))


@pytest.mark.parametrize("name", SOON_FOUND)
def test_a_condition_that_is_missing_is_noticed(name: str) -> None:
    hunt(name)


@pytest.mark.faults
def test_every_condition_that_is_missing_is_noticed() -> None:
    walks = [hunt(name) for name in MUTATIONS]
    figures.record("Mutations", tried=len(walks), caught=len(walks), most_walks_until_caught=max(walks))


def hunt(name: str) -> int:
    """Take a condition away; return how many walks it took until the model check failed."""
    mutation, how = MUTATIONS[name]
    seeds = range(BUDGET) if how is None or isinstance(how, str) else range(1)
    with mutation():
        for seed in seeds:
            with a_world(in_memory, seed) as world:
                try:
                    if callable(how):
                        how(world)
                    else:
                        Walk(world, Random(seed), how).go(EVENTS)
                except AssertionError:
                    assert world.ledger.broken, f"{name}: found by something else than an invariant"
                    return seed + 1
    raise AssertionError(f"{name}: nobody noticed")
