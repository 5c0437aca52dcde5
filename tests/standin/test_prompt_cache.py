"""The prompt caches of the stand-in, by the rules that the vendors document."""

from typing import Any

import pytest

from analysis_jobs_dev.cloud.stand_in import StandIn
from analysis_jobs_dev.cloud.stand_in.prompt_cache import Block, CacheUse, PromptCache, blocks_of
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError
from tests.standin.asking import Ask

DOCUMENT = "The wall must be safe in storms. " * 200
TOKENS = len(DOCUMENT) // 4
POINT = {"cachePoint": {"type": "default"}}
NAME = "anthropic.claude-sonnet-4-5-20250929-v1:0"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def texts(*parts: str, ttl: str = "5m") -> list[Block]:
    """Return blocks with a cache point after each text that ends with `|`."""
    return [Block(part.rstrip("|"), len(part.rstrip("|")), ttl if part.endswith("|") else "") for part in parts]


LONG, MORE = "a" * 1_100, "b" * 1_100


def test_the_second_request_reads_what_the_first_one_wrote() -> None:
    cache = PromptCache()
    assert cache.use(NAME, texts(f"{LONG}|", "x")) == CacheUse(0, 1_100)
    assert cache.use(NAME, texts(f"{LONG}|", "y")) == CacheUse(1_100, 0)
    assert cache.use("anthropic.claude-sonnet-4-6", texts(f"{LONG}|")) == CacheUse(0, 1_100), "each model has its own"
    cache.clear()
    assert cache.use(NAME, texts(f"{LONG}|")) == CacheUse(0, 1_100)


def test_a_prefix_below_the_smallest_size_is_not_cached() -> None:
    cache = PromptCache()
    for _ in range(2):
        assert cache.use(NAME, texts("a" * 1_023 + "|", "x")) == CacheUse(0, 0)
    assert cache.use(NAME, texts("a" * 1_000, "b" * 24 + "|")) == CacheUse(0, 1_024), (
        "all blocks before the point count"
    )
    assert cache.use("anthropic.claude-haiku-4-5", texts(f"{LONG}|")) == CacheUse(0, 0)
    assert cache.use("anthropic.claude-opus-5-5", texts("a" * 512 + "|")) == CacheUse(0, 512)


def test_a_changed_byte_before_the_point_is_a_miss() -> None:
    cache = PromptCache()
    cache.use(NAME, texts("system", f"{LONG}|"))
    assert cache.use(NAME, texts("System", f"{LONG}|")).read == 0
    assert cache.use(NAME, texts(f"{LONG}|")).read == 0


def test_an_entry_lives_for_five_minutes_or_an_hour_since_its_last_use() -> None:
    clock = Clock()
    cache = PromptCache(clock)
    cache.use(NAME, texts(f"{LONG}|"))
    for _ in range(3):
        clock.now += 299
        assert cache.use(NAME, texts(f"{LONG}|")).read == 1_100
    clock.now += 301
    assert cache.use(NAME, texts(f"{LONG}|", ttl="1h")) == CacheUse(0, 1_100)
    clock.now += 3_599
    assert cache.use(NAME, texts(f"{LONG}|", ttl="1h")).read == 1_100


def test_a_second_point_writes_only_what_comes_after_the_first() -> None:
    cache = PromptCache()
    cache.use(NAME, texts(f"{LONG}|", "x"))
    assert cache.use(NAME, texts(f"{LONG}|", f"{MORE}|", "x")) == CacheUse(1_100, 1_100)
    assert cache.use(NAME, texts(LONG, f"{MORE}|", "y")) == CacheUse(2_200, 0)


def test_a_read_looks_back_over_twenty_blocks() -> None:
    cache = PromptCache()
    cache.use(NAME, texts(f"{LONG}|"))
    assert cache.use(NAME, texts(LONG, *"abc", "d|")).read == 1_100
    cache.clear()
    cache.use(NAME, texts(f"{LONG}|"))
    assert cache.use(NAME, texts(LONG, *"abcdefghijklmnopqrst", "u|")).read == 0


@pytest.mark.parametrize(
    ("model", "blocks", "code"),
    [
        (NAME, texts(*["a|"] * 5), "ValidationException"),
        ("anthropic.claude-sonnet-4-20250514-v1:0", texts("a|", ttl="1h"), "ValidationException"),
        ("meta.llama4-scout-17b-instruct-v1:0", texts("a|"), "AccessDeniedException"),
        ("anthropic.claude-3-haiku-20240307-v1:0", texts("a|"), "AccessDeniedException"),
    ],
)
def test_a_wrong_cache_point_is_refused(model: str, blocks: list[Block], code: str) -> None:
    with pytest.raises(RefusedError) as refused:
        PromptCache().use(model, blocks)
    assert refused.value.name == code


def a_request(**changes: Any) -> dict[str, Any]:
    tools = [{"toolSpec": {"name": "A", "inputSchema": {"json": {"type": "object"}}}}]
    content = [{"text": DOCUMENT}, POINT, {"text": "Which?"}]
    base = {
        "toolConfig": {"tools": tools},
        "system": [{"text": "s"}],
        "messages": [{"role": "user", "content": content}],
    }
    return base | changes


@pytest.mark.parametrize(
    "changes",
    [
        {"toolConfig": {"tools": [{"toolSpec": {"name": "B", "inputSchema": {"json": {"type": "object"}}}}]}},
        {"toolConfig": {**a_request()["toolConfig"], "toolChoice": {"tool": {"name": "A"}}}},
        {"outputConfig": {"textFormat": {"type": "json_schema"}}},
        {"system": [{"text": "t"}]},
    ],
)
def test_tools_choice_schema_and_system_prompt_are_part_of_the_prefix(changes: dict[str, Any]) -> None:
    def blocks(body: dict[str, Any]) -> list[Block]:
        return blocks_of(body, body["messages"][0]["content"])

    cache = PromptCache()
    cache.use(NAME, blocks(a_request()))
    assert cache.use(NAME, blocks(a_request(**changes))).read == 0
    assert cache.use(NAME, blocks(a_request(inferenceConfig={"maxTokens": 5}))).read > TOKENS


def test_the_usage_counts_reads_and_writes_apart_from_the_input(stand_in: StandIn, ask: Ask) -> None:
    messages = [{"role": "user", "content": [{"text": DOCUMENT}, POINT, {"text": "Which?"}]}]
    usages = [ask.whole(messages=messages)["usage"] for _ in range(2)]
    assert [usage["cacheWriteInputTokens"] for usage in usages] == [TOKENS, 0]
    assert [usage["cacheReadInputTokens"] for usage in usages] == [0, TOKENS]
    assert all(usage["inputTokens"] < 10 for usage in usages)
    assert [call["input_tokens"] for call in stand_in.calls()] == [TOKENS + 2, TOKENS + 2]
