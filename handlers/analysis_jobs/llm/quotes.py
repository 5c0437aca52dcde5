"""Removes what a model service quotes from a question in its error messages."""

import re
from collections.abc import Sequence

from analysis_jobs.base.errors import JobError

_WORD = re.compile(r"[\w-]+|[^\w-]+")
_SHORTEST = 12  # characters; a shorter text is a common word rather than a quotation


def hide_quotes(error: JobError, *texts: str | None) -> None:
    """Replace the parts of the error's message that also occur in `texts` by an ellipsis.

    A service may quote a prompt, and so a document, in the reason why it refuses a request.
    """
    error.message = without_quotes(error.message, [text for text in texts if text])
    error.args = (f"{error.code}: {error.message}",)


def without_quotes(message: str, texts: Sequence[str]) -> str:
    """Return the message without the runs of words of at least 12 characters that occur in one of the texts."""
    words = _WORD.findall(message)
    kept: list[str] = []
    at = 0
    while at < len(words):
        end = _end_of_quote(words, at, texts)
        quote = "".join(words[at:end])
        if len(quote.strip()) >= _SHORTEST:
            kept.append("…")
            at = end
        else:
            kept.append(words[at])
            at += 1
    return "".join(kept)


def _end_of_quote(words: Sequence[str], start: int, texts: Sequence[str]) -> int:
    """Return where the longest run of words ends that begins at `start` and occurs in one of the texts."""
    end = start
    while end < len(words) and any("".join(words[start : end + 1]) in text for text in texts):
        end += 1
    return end
