"""A subject never has two active jobs if its analysis allows one, in any order of submissions, retries and faults."""

from collections import Counter
from random import Random

import pytest

from analysis_jobs.jobs.transitions import RETRY
from tests.faults import figures
from tests.faults.mutations import POLICY_MUTATIONS
from tests.faults.races import RACES, SubjectWalk
from tests.faults.scenes import Scene
from tests.faults.test_model import BUDGET, EVENTS, in_memory
from tests.faults.world import open_world

pytestmark = pytest.mark.usefixtures("quiet")


@pytest.mark.parametrize("race", RACES, ids=lambda race: race.__name__)
def test_every_race_leaves_one_active_job(race: Scene) -> None:
    with open_world(in_memory, 0) as world:
        race(world)
        assert sum(not life.row.status.ended for life in world.ledger.lives.values()) == 1
        world.settle(keep_messages=True)


def test_no_walk_finds_a_second_active_job(long: bool) -> None:
    landed: Counter[str] = Counter()
    steps = jobs = 0
    for seed in range(1_000 if long else 60):
        with open_world(in_memory, seed) as world:
            try:
                SubjectWalk(world, Random(seed)).go(EVENTS)
            except AssertionError as error:
                raise AssertionError(f"seed {seed}: {error}") from error
            landed += world.ledger.landed
            steps += world.events
            jobs += len(world.ledger.lives)
    assert landed[RETRY.name] > 0
    assert jobs > landed[RETRY.name]
    figures.record("Model check, one active job a subject", steps=steps, jobs=jobs, retries=landed[RETRY.name])


@pytest.mark.parametrize("name", POLICY_MUTATIONS)
def test_a_race_breaks_the_invariant_without_a_rule(name: str) -> None:
    mutation, race = POLICY_MUTATIONS[name]
    with mutation(), open_world(in_memory, 0) as world, pytest.raises(AssertionError):
        race(world)
    assert any(broken.startswith("one active: ") for broken in world.ledger.broken)


@pytest.mark.faults
@pytest.mark.parametrize("name", POLICY_MUTATIONS)
def test_a_random_walk_breaks_the_invariant_without_a_rule(name: str) -> None:
    mutation, _ = POLICY_MUTATIONS[name]
    with mutation():
        for seed in range(BUDGET):
            with open_world(in_memory, seed) as world:
                try:
                    SubjectWalk(world, Random(seed)).go(EVENTS)
                except AssertionError:
                    assert world.ledger.broken
                    return
    raise AssertionError(f"{name}: no walk caught this mutation")
