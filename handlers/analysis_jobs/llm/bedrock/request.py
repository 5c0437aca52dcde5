"""Builds the arguments of Bedrock's `ConverseStream` from a question."""

import re
from collections.abc import Collection
from itertools import chain, count
from typing import Any

from analysis_jobs.llm.attachments import AttachmentKind, accept_attachments
from analysis_jobs.llm.bedrock.cache_points import with_cache_point
from analysis_jobs.llm.model import Question

# Limits: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html. It does not define a
# megabyte, so we take the smaller one. Formats: …/API_runtime_ImageBlock.html and …/API_runtime_DocumentBlock.html.
_PICTURES = AttachmentKind(
    "pictures",
    {f"image/{name}": name for name in ("gif", "jpeg", "png", "webp")} | {"image/jpg": "jpeg"},
    max_count=20,
    max_bytes=3_750_000,
)
_DOCUMENTS = AttachmentKind(
    "documents",
    {
        "application/msword": "doc",
        "application/pdf": "pdf",
        "application/vnd.ms-excel": "xls",
        "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
        "text/csv": "csv",
        "text/html": "html",
        "text/markdown": "md",
        "text/plain": "txt",
    },
    max_count=5,
    max_bytes=4_500_000,
)
_LONGEST_NAME = 190  # Bedrock accepts 200; the rest is for a number
_USE_THE_TOOL = (
    "Give your answer by calling the tool {name} exactly once, with the whole answer as its input. Write no other text."
)


def request_arguments(question: Question, *, forced: bool) -> dict[str, Any]:
    """Return the keyword arguments of `converse_stream`. `forced`: the model must answer by calling the tool."""
    arguments: dict[str, Any] = {
        "modelId": question.model_id,
        "messages": [{"role": "user", "content": _content(question)}],
        "inferenceConfig": {"maxTokens": question.max_tokens},
    }
    if question.system:
        arguments["system"] = [{"text": question.system}]
    if question.metadata:
        arguments["requestMetadata"] = question.metadata
    if question.tool:
        specification = {
            "name": question.tool.name,
            "description": question.tool.description,
            "inputSchema": {"json": question.tool.schema},
        }
        arguments["toolConfig"] = {"tools": [{"toolSpec": specification}]}
        if forced:
            arguments["toolConfig"]["toolChoice"] = {"tool": {"name": question.tool.name}}
        else:  # the default choice is `auto`; some models refuse the field even with that value
            instruction = {"text": _USE_THE_TOOL.format(name=question.tool.name)}
            arguments["system"] = [*arguments.get("system", ()), instruction]
    return with_cache_point(arguments, question)


def _content(question: Question) -> list[dict[str, Any]]:
    """Return the attachments and then the prompt, because a prompt should follow the picture that it is about."""
    blocks: list[dict[str, Any]] = []
    names: set[str] = set()
    for each in accept_attachments(question.attachments, (_PICTURES, _DOCUMENTS), "Bedrock"):
        source = {"bytes": each.attachment.content}
        if each.kind is _PICTURES:
            blocks.append({"image": {"format": each.format, "source": source}})
        else:
            name = _document_name(each.attachment.name, names)
            names.add(name)
            blocks.append({"document": {"format": each.format, "name": name, "source": source}})
    return [*blocks, {"text": question.prompt}]


def _document_name(name: str, taken: Collection[str]) -> str:
    """Return a unique name that Bedrock accepts: letters, digits, single blanks, hyphens and brackets."""
    cleaned = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", name.rpartition(".")[0] or name).strip()[:_LONGEST_NAME].strip()
    base = cleaned or "document"
    numbered = (f"{base} ({number})" for number in count(2))
    return next(candidate for candidate in chain([base], numbered) if candidate not in taken)
