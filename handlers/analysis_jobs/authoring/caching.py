"""Decides which questions of a job use the vendor's prompt cache. Decision 18 explains the rule."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import timedelta
from hashlib import sha256

from analysis_jobs.authoring.context import StageState
from analysis_jobs.base.values import dataclass
from analysis_jobs.jobs.record import HistoryEntry
from analysis_jobs.jobs.transitions import CLAIM
from analysis_jobs.llm.families import family_of
from analysis_jobs.llm.model import Question, Tool
from analysis_jobs.llm.usage_estimate import estimated_attachment_tokens, estimated_tokens
from analysis_jobs.prompts.template import document_element

_LIFETIME = timedelta(minutes=5)  # of an entry in the cache, since its last use


@dataclass(frozen=True)
class Arranged:
    """A question as it is sent.

    `waits_for` is set when the cache has the document: wait for it, because requests at the same time would each write
    the document. `announces` is the event to set when the answer to this question begins, or fails.
    """

    question: Question
    waits_for: threading.Event | None = None
    announces: threading.Event | None = None


@dataclass
class _Sighting:
    """A document that the attempt has sent, with the system prompt and the schema of its first question."""

    system: str | None
    tool: Tool | None
    times: int = 0
    is_cached: bool = False
    is_shared: bool = False
    is_ready: threading.Event = field(default_factory=threading.Event)


class CachePlan:
    """Arranges the questions of one attempt. Threads may share it.

    `asking_places` counts for each stage, in order, the places in its code that ask. `is_resumed` says that the cache
    may still have what an earlier attempt sent.
    """

    def __init__(self, stage: StageState, asking_places: Mapping[str, int], *, is_resumed: bool) -> None:
        self._stage = stage
        self._places = asking_places
        self._is_resumed = is_resumed
        self._sightings: dict[tuple[str, bytes], _Sighting] = {}
        self._lock = threading.Lock()

    def arrange(self, question: Question, document: str, rest: str, *, wanted: bool | None = None) -> Arranged:
        """Return the question with its document before the prompt, if that pays.

        `document` is the long text in the prompt, `rest` the prompt without it. `wanted` overrides the rule.
        """
        if wanted is False or not _fills_cache(question, document):
            return Arranged(question)
        with self._lock:
            sighting = self._see(question, document)
            writes = self._update(sighting, question, wanted=bool(wanted))
            if not sighting.is_cached:
                return Arranged(self.repeated(question) if self._is_resumed else question)
            arranged = replace(
                question,
                document=document_element(document) if document else "",
                prompt=rest if document else question.prompt,
                cache=True,
                is_shared=sighting.is_shared,
            )
            ready = sighting.is_ready
        return Arranged(arranged, announces=ready) if writes else Arranged(arranged, waits_for=ready)

    @staticmethod
    def repeated(question: Question) -> Question:
        """Return a question that was sent before, so that its prompt is cached and what is appended to it is not.

        A document that is cached already stays as it is.
        """
        if question.cache or not _fills_cache(question, question.prompt):
            return question
        return replace(question, cache_until=question.cache_until or len(question.prompt))

    def _update(self, sighting: _Sighting, question: Question, *, wanted: bool) -> bool:
        """Decide whether and how the document is cached. Return whether this question is the first to write it."""
        is_varied = (sighting.system, sighting.tool) != (question.system, question.tool)
        is_cached = sighting.is_cached or wanted or sighting.times > 1 or self._expects_more()
        is_shared = sighting.is_shared or is_varied or sum(self._places.values()) > 1
        writes = is_cached and (not sighting.is_cached or is_shared != sighting.is_shared)
        if writes:
            sighting.is_ready = threading.Event()
        sighting.is_cached, sighting.is_shared = is_cached, is_shared
        return writes

    def _see(self, question: Question, document: str) -> _Sighting:
        key = (question.model_id, _digest(question, document))
        sighting = self._sightings.setdefault(key, _Sighting(question.system, question.tool))
        sighting.times += 1
        return sighting

    def _expects_more(self) -> bool:
        """Tell whether the document of a question may be sent again: in this stage, a later stage or a series."""
        names = list(self._places)
        here = names.index(self._stage.name) if self._stage.name in names else len(names)
        later = sum(self._places[name] for name in names[here + 1 :])
        in_stage = self._places.get(self._stage.name, 0)
        earlier = sum(self._places[name] for name in names[:here])
        return self._stage.in_series or in_stage > 1 or later > 0 or (self._is_resumed and earlier > 0)


def _fills_cache(question: Question, text: str) -> bool:
    """Tell whether the model caches a text, with the question's attachments before it."""
    smallest = family_of(question.model_id).cache_min_tokens
    tokens = estimated_tokens(text) + estimated_attachment_tokens(question.attachments)
    return smallest is not None and tokens >= smallest


def was_just_claimed(history: Sequence[HistoryEntry]) -> bool:
    """Tell whether an earlier claim of the job is so recent that the cache may still have what was sent under it."""
    claims = [entry.at for entry in history if entry.transition == CLAIM.name]
    return any(claims[-1] - at < _LIFETIME for at in claims[:-1])


def _digest(question: Question, document: str) -> bytes:
    digest = sha256(document.encode("utf-8", "surrogatepass"))
    for each in question.attachments:
        digest.update(sha256(f"{each.name}\0{each.media_type}".encode()).digest() + sha256(each.content).digest())
    return digest.digest()
