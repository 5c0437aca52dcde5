"""The prompt table: immutable versions, one active version, and atomic changes."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from threading import Barrier, Thread
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from analysis_jobs import Prompt
from analysis_jobs.base.clock import ManualClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.prompts import MAX_CATEGORIES, DynamoPromptStore, MemoryPromptStore, prompt_key
from analysis_jobs.prompts.library import Head, PromptError, PromptLibrary
from tests.handlers.builders import MINUTE, START
from tests.handlers.deployment import create_prompt_table
from tests.handlers.prompt_table import CATEGORY, NAME, PROMPT, TABLE, active, worded


@pytest.fixture
def client() -> Iterator[Any]:
    with mock_aws():
        client = boto3.client("dynamodb", "eu-west-1", aws_access_key_id="test", aws_secret_access_key="test")
        create_prompt_table(client, TABLE)
        yield client


@pytest.fixture
def library(client: Any) -> PromptLibrary:
    return PromptLibrary(client, TABLE, ManualClock(START))


@pytest.fixture
def store(client: Any) -> DynamoPromptStore:
    return DynamoPromptStore(client, TABLE)


@pytest.fixture
def calls(client: Any) -> list[str]:
    """Return the list of requests. It grows with each request."""
    made: list[str] = []
    client.meta.events.register("before-call.dynamodb", lambda model, **_: made.append(model.name))
    return made


# Reads of a worker


def test_an_activated_prompt_is_found_by_its_key(library: PromptLibrary, store: DynamoPromptStore) -> None:
    whole = replace(PROMPT, system_prompt="Be brief.", output_format="As JSON: {}.")
    library.put(whole, activate=True)
    assert store.active("proposal_writer", "step-1", CATEGORY) == whole


@pytest.mark.parametrize(
    ("section", "sub_section", "category"),
    [("proposal_writer", "step-1", "Tender"), ("proposal_writer", "step-2", CATEGORY), ("writer", "step-1", CATEGORY)],
)
def test_another_key_finds_nothing(
    library: PromptLibrary, store: DynamoPromptStore, section: str, sub_section: str, category: str
) -> None:
    library.put(PROMPT, activate=True)
    assert store.active(section, sub_section, category) is None
    assert MemoryPromptStore(PROMPT).active(section, sub_section, category) is None


def test_a_lookup_is_one_read_by_key_and_never_a_scan(
    library: PromptLibrary, store: DynamoPromptStore, calls: list[str]
) -> None:
    library.put(PROMPT, activate=True)
    del calls[:]
    store.active("proposal_writer", "step-1", CATEGORY)
    store.active("proposal_writer", "step-1", "Tender")
    assert calls == ["GetItem", "GetItem"]


def _edit(client: Any, change: str, names: dict[str, str], values: dict[str, Any] | None = None) -> None:
    client.update_item(
        TableName=TABLE,
        Key={"prompt": {"S": prompt_key("proposal_writer", "step-1", CATEGORY)}, "item": {"S": "active"}},
        UpdateExpression=change,
        ExpressionAttributeNames=names,
        **({"ExpressionAttributeValues": values} if values else {}),
    )


def test_the_table_uses_the_field_names_of_a_prompt_file(library: PromptLibrary, client: Any) -> None:
    library.put(PROMPT, activate=True)
    key = {"prompt": {"S": prompt_key("proposal_writer", "step-1", CATEGORY)}, "item": {"S": "active"}}
    assert client.get_item(TableName=TABLE, Key=key)["Item"] == key | {
        "section": {"S": "proposal_writer"},
        "sub_section": {"S": "step-1"},
        "categories": {"L": [{"S": CATEGORY}]},
        "is_active": {"BOOL": True},
        "version": {"N": "3"},
        "system_prompt": {"S": ""},
        "user_prompt_template": {"S": PROMPT.user_prompt_template},
        "output_format": {"S": ""},
    }


def test_a_prompt_deactivated_by_hand_is_not_used(
    library: PromptLibrary, store: DynamoPromptStore, client: Any
) -> None:
    library.put(PROMPT, activate=True)
    _edit(client, "SET #a = :a", {"#a": "is_active"}, {":a": {"BOOL": False}})
    assert store.active("proposal_writer", "step-1", CATEGORY) is None


def test_an_unknown_attribute_is_ignored(library: PromptLibrary, store: DynamoPromptStore, client: Any) -> None:
    library.put(PROMPT, activate=True)
    _edit(client, "SET #a = :a", {"#a": "edited_by"}, {":a": {"S": "somebody"}})
    assert store.active("proposal_writer", "step-1", CATEGORY) == PROMPT


@pytest.mark.parametrize("missing", ["user_prompt_template", "categories", "section"])
def test_a_prompt_in_the_table_without_a_required_part_is_refused_by_its_name(
    library: PromptLibrary, store: DynamoPromptStore, client: Any, missing: str
) -> None:
    library.put(PROMPT, activate=True)
    _edit(client, "REMOVE #a", {"#a": missing})
    with pytest.raises(ConfigurationError, match=rf"step-1#{CATEGORY} in the table: .*{missing}"):
        store.active("proposal_writer", "step-1", CATEGORY)


# Versions


def test_an_existing_version_is_never_changed(library: PromptLibrary) -> None:
    library.put(PROMPT)
    with pytest.raises(PromptError, match=r"^version: .* v3 exists with other content, .* Give version = 4"):
        library.put(worded("Other"))
    assert library.version(NAME, 3) == PROMPT


def test_a_version_written_concurrently_is_not_overwritten(
    library: PromptLibrary, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    other, once = PromptLibrary(client, TABLE, ManualClock(START)), iter((True,))
    numbered = PromptLibrary._assign_version  # noqa: SLF001 - the moment between the read and the write

    def overtaken(self: PromptLibrary, prompt: Prompt, head: Head) -> tuple[Prompt, bool]:
        found = numbered(self, prompt, head)
        if self is library and next(once, False):
            other.put(worded("Theirs", version=0))
        return found

    monkeypatch.setattr(PromptLibrary, "_assign_version", overtaken)
    put, _ = library.put(worded("Ours", version=0))
    assert put.version == 2
    said = [library.version(NAME, number).user_prompt_template for number in (1, 2)]
    assert said == ["Theirs: {rfp_text}", "Ours: {rfp_text}"]


def test_a_file_without_a_version_gets_the_next_version_unless_its_text_is_unchanged(
    library: PromptLibrary,
) -> None:
    numbers = [library.put(worded(words, version=0)) for words in ("a", "a", "b", "a")]
    assert [(prompt.version, new) for prompt, new in numbers] == [(1, True), (1, False), (2, True), (3, True)]
    assert [prompt.version for prompt in library.versions(NAME)] == [3, 2, 1]


def test_a_new_version_is_not_active_yet(library: PromptLibrary, store: DynamoPromptStore) -> None:
    library.put(PROMPT)
    assert active(store) is None
    assert list(library.history(NAME)) == []
    assert library.head(NAME) == Head(NAME, latest=3, revision=1, active={})


def test_a_version_that_was_never_put_is_not_found(library: PromptLibrary) -> None:
    with pytest.raises(PromptError, match="there is no prompt 'proposal_writer/step-1'"):
        library.activate(NAME, 1)
    library.put(PROMPT)
    with pytest.raises(PromptError, match="has no version 1; its newest version is 3"):
        library.activate(NAME, 1)


# Changes


def test_activating_a_newer_version_keeps_the_older_versions(library: PromptLibrary, store: DynamoPromptStore) -> None:
    library.put(PROMPT, activate=True)
    library.put(worded("Newer", version=12), activate=True)
    assert active(store) == 12
    assert [prompt.version for prompt in library.versions(NAME)] == [12, 3]


def test_a_change_is_one_transaction(library: PromptLibrary, calls: list[str]) -> None:
    library.put(replace(PROMPT, categories=("Grant", "Tender")), activate=True)
    library.activate(NAME, 3)
    library.rollback(NAME)
    assert [name for name in calls if name not in ("GetItem", "Query")] == ["TransactWriteItems"] * 2


def test_all_categories_of_a_prompt_are_activated_together_or_not_at_all(
    library: PromptLibrary, store: DynamoPromptStore, client: Any
) -> None:
    both = replace(PROMPT, categories=("Grant", "Tender"))
    library.put(both, activate=True)
    before = client.scan(TableName=TABLE)["Items"]
    with pytest.raises(ClientError):  # one of its items no longer fits into the table
        library.put(worded("4", version=4, categories=("Grant", "T" * 3_000)), activate=True)
    assert client.scan(TableName=TABLE)["Items"] == before
    assert [active(store, category) for category in both.categories] == [3, 3]


def test_the_maximum_number_of_categories_is_activated_at_once(
    library: PromptLibrary, store: DynamoPromptStore
) -> None:
    categories = tuple(f"c{number}" for number in range(MAX_CATEGORIES))
    library.put(replace(PROMPT, categories=categories), activate=True)
    assert {active(store, category) for category in categories} == {3}
    library.rollback(NAME)
    assert {active(store, category) for category in categories} == {None}


def test_activating_the_active_version_changes_nothing(library: PromptLibrary) -> None:
    library.put(PROMPT, activate=True)
    assert library.activate(NAME, 3) is None
    assert library.put(PROMPT, activate=True) == (PROMPT, False)
    assert len(list(library.history(NAME))) == 1


def test_a_version_does_not_change_other_categories(library: PromptLibrary, store: DynamoPromptStore) -> None:
    library.put(worded("Both", version=1, categories=("Grant", "Tender")), activate=True)
    library.put(worded("Grants", version=2, categories=("Grant",)), activate=True)
    assert [active(store, category) for category in ("Grant", "Tender")] == [2, 1]
    library.rollback(NAME)
    assert [active(store, category) for category in ("Grant", "Tender")] == [1, 1]


def test_each_rollback_undoes_one_change_back_to_the_default_in_the_code(
    library: PromptLibrary, store: DynamoPromptStore
) -> None:
    for number in (1, 2, 3):
        library.put(worded(str(number), version=number), activate=True)
    seen = []
    for _ in range(3):
        library.rollback(NAME)
        seen.append(active(store))
    assert seen == [2, 1, None]
    with pytest.raises(PromptError, match="no change left to roll back"):
        library.rollback(NAME)


def test_a_change_after_a_rollback_is_rolled_back_first(library: PromptLibrary, store: DynamoPromptStore) -> None:
    for number in (1, 2, 3):
        library.put(worded(str(number), version=number), activate=True)
    library.rollback(NAME)
    library.activate(NAME, 1)
    assert [library.rollback(NAME), active(store)][1] == 2
    assert [library.rollback(NAME), active(store)][1] == 1


def test_deactivating_a_prompt_restores_the_default_and_can_be_rolled_back(
    library: PromptLibrary, store: DynamoPromptStore
) -> None:
    library.put(PROMPT, activate=True)
    library.deactivate(NAME)
    assert active(store) is None
    assert library.deactivate(NAME) is None
    library.rollback(NAME)
    assert active(store) == 3


def test_the_history_has_the_time_and_the_change(client: Any) -> None:
    clock = ManualClock(START)
    library = PromptLibrary(client, TABLE, clock)
    library.put(PROMPT, activate=True)
    clock.advance(MINUTE)
    library.deactivate(NAME)
    clock.advance(timedelta(days=1))
    library.rollback(NAME)
    assert [(change.at, change.action, change.before, change.after) for change in library.history(NAME)] == [
        ("2026-01-02T00:01:00.000Z", "rollback", {CATEGORY: 0}, {CATEGORY: 3}),
        ("2026-01-01T00:01:00.000Z", "deactivate", {CATEGORY: 3}, {CATEGORY: 0}),
        ("2026-01-01T00:00:00.000Z", "activate", {CATEGORY: 0}, {CATEGORY: 3}),
    ]


def test_every_prompt_is_listed(library: PromptLibrary) -> None:
    library.put(PROMPT, activate=True)
    library.put(replace(PROMPT, section="books", version=0))
    assert library.heads() == [Head("books/step-1", 1, 1, {}), Head(NAME, 3, 1, {CATEGORY: 3})]


def test_a_reader_always_finds_the_old_or_the_new_version(library: PromptLibrary, store: DynamoPromptStore) -> None:
    library.put(worded("1", version=1), activate=True)
    library.put(worded("2", version=2))
    begin, over = Barrier(2), []

    def change() -> None:
        begin.wait()
        for number in (2, 1) * 10:
            library.activate(NAME, number)
        over.append(True)

    thread = Thread(target=change)
    thread.start()
    begin.wait()
    seen = set()
    while not over:
        found = store.active("proposal_writer", "step-1", CATEGORY)
        seen.add(found and (found.version, found.user_prompt_template))
    thread.join()
    assert seen <= {(1, "1: {rfp_text}"), (2, "2: {rfp_text}")}


@pytest.mark.parametrize("categories", [1, MAX_CATEGORIES])
def test_a_prompt_that_dynamodb_cannot_store_is_refused_with_the_limit(library: PromptLibrary, categories: int) -> None:
    limit = min(400_000, 4_000_000 // (1 + categories))
    names = tuple(f"c{number}" for number in range(categories))
    known = len("{rfp_text}: " + "".join(names))
    prompt = replace(PROMPT, categories=names, user_prompt_template="{rfp_text}: " + "\u00e4" * ((limit - known) // 2))
    library.put(replace(prompt, version=0), activate=True)
    larger = replace(prompt, version=0, user_prompt_template=prompt.user_prompt_template + "\u00e4\u00e4")
    with pytest.raises(PromptError, match=rf"bytes in UTF-8; at most {limit} are allowed"):
        library.put(larger, activate=True)
