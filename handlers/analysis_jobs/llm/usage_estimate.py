"""Estimates the tokens of a call when the vendor did not report them."""

import json
import math
from collections.abc import Sequence

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.usage import Usage
from analysis_jobs.llm.model import Question

# Roughly, for English text. https://platform.claude.com/docs/en/build-with-claude/token-counting
_CHARACTERS_PER_TOKEN = 4
# A picture of a page. https://platform.claude.com/docs/en/build-with-claude/vision
_TOKENS_PER_PICTURE = 1_600
_BYTES_PER_TOKEN = 4  # of a text document; for other documents it is an upper bound


def estimated_tokens(text: str) -> int:
    """Return roughly how many tokens a text has."""
    return math.ceil(len(text) / _CHARACTERS_PER_TOKEN)


def estimated_input_tokens(question: Question) -> int:
    """Return roughly how many tokens a question has, with its attachments and its schema."""
    schema = json.dumps(question.tool.schema) if question.tool else ""
    texts = [question.document, question.prompt, question.system or "", schema]
    return sum(map(estimated_tokens, texts)) + estimated_attachment_tokens(question.attachments)


def estimated_attachment_tokens(attachments: Sequence[Attachment]) -> int:
    """Return roughly how many tokens attachments have."""
    documents = [each for each in attachments if not each.media_type.startswith("image/")]
    pictures = len(attachments) - len(documents)
    return pictures * _TOKENS_PER_PICTURE + sum(len(each.content) // _BYTES_PER_TOKEN for each in documents)


def estimated_usage(question: Question, answer: str) -> Usage:
    """Return an estimate of one call's usage, marked as such."""
    return Usage(1, estimated_input_tokens(question), estimated_tokens(answer), estimated_calls=1)
