"""The vendors' prompt caches: which part of a request is read from the cache, and which part is written to it.

On Bedrock, a cache point ends a prefix: tools, system prompt, and the messages up to the point. A later request reads
the longest prefix with the same bytes. The rules are those of the user guide:
https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html

- A prefix below the model's smallest size is not cached. The request succeeds.
- A request has at most four cache points.
- An entry lives for five minutes or an hour since its last use.
- What changes how the model reads the messages is part of the prefix: the choice of a tool, and the answer's schema.
- A read looks back over the blocks before a cache point, so it finds what an earlier, shorter request wrote.
"""

import hashlib
import json
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from analysis_jobs_dev.cloud.stand_in.attached import CHARS_PER_TOKEN, attached
from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError, require

_MOST_POINTS: Final = 4
_LOOK_BACK: Final = 20  # blocks
_TTL_S: Final = {"5m": 300.0, "1h": 3_600.0}
_UNSUPPORTED: Final = "You invoked an unsupported model or your request did not allow prompt caching."
# Gemini: the smallest prefix in tokens, and how many requests of a model are remembered.
_IMPLICIT, _IMPLICIT_PRO, _REMEMBERED = 1_024, 4_096, 50
# Bedrock: the smallest prefix in tokens, and whether an entry may live for an hour. The table is the stand-in's own: it
# does not read that of the library, so a wrong entry there shows in the tests.
_RULES: Final = (
    (r"anthropic\.claude-(opus-5|sonnet-5-5|haiku-5|fable|mythos)", (512, True)),
    (r"anthropic\.claude-(sonnet-5|opus-4-8|sonnet-4-6|sonnet-4-5)", (1_024, True)),
    (r"anthropic\.claude-opus-4-7", (2_048, True)),
    (r"anthropic\.claude-(opus-4-[56]|haiku-4-5)", (4_096, True)),
    (r"anthropic\.claude-3-5-haiku", (2_048, False)),
    (r"anthropic\.claude-(opus-4|sonnet-4|3-7-sonnet)", (1_024, False)),
    (r"amazon\.nova", (1_000, False)),
)


@dataclass(frozen=True)
class Block:
    """One block of a request, in the order in which it is read. `ttl` is empty without a cache point after it."""

    content: str
    tokens: int
    ttl: str = ""


@dataclass(frozen=True)
class CacheUse:
    """The tokens that a request reads from the cache and writes to it."""

    read: int = 0
    written: int = 0


@dataclass
class PromptCache:
    """The entries of all models. `clock` counts seconds."""

    clock: Callable[[], float] = time.monotonic
    _entries: dict[str, tuple[float, float]] = field(default_factory=dict)  # expiry, lifetime
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        """Forget all entries."""
        with self._lock:
            self._entries.clear()

    def use(self, model: str, blocks: Sequence[Block]) -> CacheUse:
        """Read the longest cached prefix, and write the prefixes at the cache points.

        Raises:
            RefusedError: AccessDeniedException for a model without a cache; ValidationException for too many cache
                points, or a lifetime that the model does not have.

        """
        points = [number for number, block in enumerate(blocks) if block.ttl]
        if not points:
            return CacheUse()
        smallest = _check(model, [blocks[number].ttl for number in points])
        digests, sizes = _prefixes(model, blocks)
        with self._lock:
            now = self.clock()
            found = max((number for number in _readable(points) if self._is_alive(digests[number], now)), default=-1)
            read = sizes[found] if found >= 0 else 0
            if found >= 0:
                self._keep(digests[found], self._entries[digests[found]][1], now)
            written = 0
            for number in points:
                if number > found and sizes[number] >= smallest:
                    self._keep(digests[number], _TTL_S[blocks[number].ttl], now)
                    written = sizes[number] - read
        return CacheUse(read, written)

    def _is_alive(self, digest: str, now: float) -> bool:
        return digest in self._entries and self._entries[digest][0] > now

    def _keep(self, digest: str, lifetime: float, now: float) -> None:
        self._entries[digest] = (now + lifetime, lifetime)


@dataclass
class ImplicitCache:
    """Gemini's cache: without any mark, a request reads what it has in common with the start of an earlier one.

    https://ai.google.dev/gemini-api/docs/caching
    """

    _requests: dict[str, deque[str]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def clear(self) -> None:
        """Forget all requests."""
        with self._lock:
            self._requests.clear()

    def use(self, model: str, blocks: Sequence[Block]) -> int:
        """Return the tokens that a request reads from the cache, and remember the request."""
        text, tokens = "".join(block.content for block in blocks), sum(block.tokens for block in blocks)
        with self._lock:
            earlier = self._requests.setdefault(model, deque(maxlen=_REMEMBERED))
            common = max((_common(text, other) for other in earlier), default=0)
            earlier.append(text)
        read = tokens * common // max(1, len(text))
        return read if read >= (_IMPLICIT_PRO if "-pro" in model else _IMPLICIT) else 0


def _common(text: str, other: str) -> int:
    """Return how many characters two texts have in common at their start."""
    same, different = 0, min(len(text), len(other)) + 1
    while different - same > 1:
        middle = (same + different) // 2
        if text[:middle] == other[:middle]:
            same = middle
        else:
            different = middle
    return same


def blocks_of(body: Mapping[str, Any], contents: Iterable[Mapping[str, Any]]) -> list[Block]:
    """Return the blocks of a request in the order in which they are read.

    `contents` are the content blocks of its messages, with decoded bytes.
    """
    config = body.get("toolConfig") or {}
    chosen = {"choice": config.get("toolChoice"), "format": (body.get("outputConfig") or {}).get("textFormat")}
    # The choice of a tool and the schema of the answer change how the messages are read, not the tools before them.
    parts = [("", part) for part in (*(config.get("tools") or ()), *(body.get("system") or ()))]
    parts += [(json.dumps(chosen, sort_keys=True), part) for part in contents]
    found: list[Block] = []
    for head, part in parts:
        if "cachePoint" not in part:
            found.append(Block(head + json.dumps(part, sort_keys=True, default=_digest), _tokens(part)))
        elif found:
            found[-1] = replace(found[-1], ttl=part["cachePoint"].get("ttl") or "5m")
    return found


def _digest(value: object) -> str:
    return hashlib.sha256(value if isinstance(value, bytes) else repr(value).encode()).hexdigest()


def _tokens(part: Mapping[str, Any]) -> int:
    if found := attached(part):
        return found.tokens
    return len(part["text"] if "text" in part else json.dumps(part, default=str)) // CHARS_PER_TOKEN


def _check(model: str, ttls: Sequence[str]) -> int:
    """Return the smallest prefix that the model caches."""
    rule = next((rule for pattern, rule in _RULES if re.match(pattern, model)), None)
    if rule is None:
        raise RefusedError("AccessDeniedException", _UNSUPPORTED)
    smallest, has_hour = rule
    require(
        len(ttls) <= _MOST_POINTS,
        f"A maximum of {_MOST_POINTS} blocks with cache_control may be provided. Found {len(ttls)}.",
    )
    require(has_hour or "1h" not in ttls, "This model does not support the cache TTL 1h.")
    return smallest


def _prefixes(model: str, blocks: Sequence[Block]) -> tuple[list[str], list[int]]:
    digest, size = hashlib.sha256(model.encode()), 0
    digests: list[str] = []
    sizes: list[int] = []
    for block in blocks:
        digest.update(block.content.encode() + b"\0")
        size += block.tokens
        digests.append(digest.hexdigest())
        sizes.append(size)
    return digests, sizes


def _readable(points: Sequence[int]) -> Iterator[int]:
    """Yield the blocks at which a read looks for an entry."""
    for point in points:
        yield from range(max(0, point - _LOOK_BACK), point + 1)
