"""The prompt table under random changes in any order."""

import boto3
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as some
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from moto import mock_aws

from analysis_jobs.base.clock import ManualClock
from analysis_jobs.prompts import DynamoPromptStore
from analysis_jobs.prompts.library import PromptError, PromptLibrary
from tests.handlers.builders import START
from tests.handlers.deployment import create_prompt_table
from tests.handlers.prompt_table import NAME, TABLE, active, worded


class AnyChanges(RuleBasedStateMachine):
    """Random changes in any order. The table must match a list of states; the last state is active."""

    @initialize()
    def begin(self) -> None:
        self.aws = mock_aws()
        self.aws.start()
        client = boto3.client("dynamodb", "eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
        create_prompt_table(client, TABLE)
        self.library, self.store = PromptLibrary(client, TABLE, ManualClock(START)), DynamoPromptStore(client, TABLE)
        self.states: list[dict[str, int]] = [{}]
        self.versions: list[tuple[str, ...]] = []

    @rule(categories=some.sets(some.sampled_from("abc"), min_size=1).map(sorted).map(tuple), activate=some.booleans())
    def put(self, categories: tuple[str, ...], *, activate: bool) -> None:
        number = len(self.versions) + 1
        self.library.put(worded(str(number), version=0, categories=categories), activate=activate)
        self.versions.append(categories)
        if activate:
            self.states.append(self.states[-1] | dict.fromkeys(categories, number))

    @rule(choose=some.integers(0, 20))
    def activate(self, choose: int) -> None:
        if self.versions:
            number = choose % len(self.versions) + 1
            self._to(self.library.activate(NAME, number), dict.fromkeys(self.versions[number - 1], number))

    @rule()
    def deactivate(self) -> None:
        if self.versions:
            self._to(self.library.deactivate(NAME), dict.fromkeys(self.states[-1], 0))

    @rule()
    def rollback(self) -> None:
        if len(self.states) > 1:
            self.library.rollback(NAME)
            self.states.pop()
        elif self.versions:
            with pytest.raises(PromptError):
                self.library.rollback(NAME)

    @invariant()
    def the_active_versions_match_the_last_state(self) -> None:
        expected = {category: self.states[-1].get(category) for category in "abc"}
        assert {category: active(self.store, category) for category in "abc"} == expected

    def _to(self, change: object, moved: dict[str, int]) -> None:
        state = {category: to for category, to in (self.states[-1] | moved).items() if to}
        assert (change is None) == (state == self.states[-1])
        if change:
            self.states.append(state)

    def teardown(self) -> None:
        self.aws.stop()


TestAnyChanges = AnyChanges.TestCase
TestAnyChanges.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)
