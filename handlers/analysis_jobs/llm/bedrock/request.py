"""Builds the arguments of Bedrock's `ConverseStream` from a question."""

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from itertools import chain, count
from typing import Any

from analysis_jobs.llm.attachments import AttachmentKind, accept_attachments
from analysis_jobs.llm.bedrock.cache_points import with_cache_point
from analysis_jobs.llm.bedrock.ways import Kind, Way
from analysis_jobs.llm.families import EffortField, family_of
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
# Some families take larger documents of some formats. Then the size of the request counts, in base64: 20 MB.
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-api-restrictions.html
_MAX_LARGE_BYTES = 15_000_000
_LONGEST_NAME = 190  # Bedrock accepts 200; the rest is for a number
# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html
_NOT_IN_METADATA = re.compile(r"[^a-zA-Z0-9\s:_@$#=/+,.-]", re.ASCII)
_LONGEST_METADATA = 256
_USE_THE_TOOL = (
    "Give your answer by calling the tool {name} exactly once, with the whole answer as its input. Write no other text."
)
_FIT_THE_SCHEMA = (
    "Give your answer as one JSON object and write nothing else, no explanation and no code fence. {what} "
    "The object must fit this JSON schema:\n{schema}"
)


def request_arguments(question: Question, way: Way, effort_field: EffortField | None = None) -> dict[str, Any]:
    """Return the keyword arguments of `converse_stream`. `effort_field` is where the question's effort goes."""
    arguments: dict[str, Any] = {
        "modelId": question.model_id,
        "messages": [{"role": "user", "content": _content(question)}],
        "inferenceConfig": {"maxTokens": question.most_output_tokens},
    }
    if system := _system(question, way):
        arguments["system"] = system
    if question.metadata:
        arguments["requestMetadata"] = _request_metadata(question.metadata)
    if question.tier:
        arguments["serviceTier"] = {"type": question.tier}
    if tools := _tool_config(question, way):
        arguments["toolConfig"] = tools
    if output := _output_config(question, way, effort_field):
        arguments["outputConfig"] = output
    if fields := _model_fields(question, effort_field):
        arguments["additionalModelRequestFields"] = fields
    return with_cache_point(arguments, question)


def _request_metadata(labels: Mapping[str, str]) -> dict[str, str]:
    """Return labels for the model invocation log, in the characters that Bedrock accepts."""
    return {name: _NOT_IN_METADATA.sub("_", value)[:_LONGEST_METADATA] for name, value in labels.items()}


def _system(question: Question, way: Way) -> list[dict[str, Any]]:
    """Return the system prompt, and after it what the way must say in words."""
    blocks = [{"text": question.system}] if question.system else []
    if question.tool and way.kind is Kind.TOOL and not way.forced:
        # The default choice is `auto`. Some models refuse the field even with that value.
        blocks.append({"text": _USE_THE_TOOL.format(name=question.tool.name)})
    if question.tool and way.kind is Kind.WORDS:
        blocks.append({"text": _FIT_THE_SCHEMA.format(what=question.tool.description, schema=_compact(way.schema))})
    return blocks


def _tool_config(question: Question, way: Way) -> dict[str, Any]:
    if question.tool is None or way.kind is not Kind.TOOL:
        return {}
    specification: dict[str, Any] = {
        "name": question.tool.name,
        "description": question.tool.description,
        "inputSchema": {"json": way.schema},
    }
    if way.strict:
        specification["strict"] = True
    config: dict[str, Any] = {"tools": [{"toolSpec": specification}]}
    return config | {"toolChoice": {"tool": {"name": question.tool.name}}} if way.forced else config


def _output_config(question: Question, way: Way, effort_field: EffortField | None) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if question.tool and way.kind is Kind.NATIVE:
        definition = {
            "schema": _compact(way.schema),
            "name": question.tool.name,
            "description": question.tool.description,
        }
        config["textFormat"] = {"type": "json_schema", "structure": {"jsonSchema": definition}}
    if question.effort and effort_field == "outputConfig.effort":
        config["effort"] = question.effort
    return config


def _model_fields(question: Question, effort_field: EffortField | None) -> dict[str, Any]:
    """Return the fields that go to the model as they are: effort and thinking, which each vendor spells differently."""
    fields: dict[str, Any] = {}
    match effort_field if question.effort else None:
        case "output_config.effort":
            fields["output_config"] = {"effort": question.effort}
        case "reasoning_effort":
            fields["reasoning_effort"] = question.effort
        case "reasoningConfig.maxReasoningEffort":
            fields["reasoningConfig"] = {"type": "enabled", "maxReasoningEffort": question.effort}
    if question.thinking_tokens is not None:
        fields["thinking"] = {"type": "enabled", "budget_tokens": question.thinking_tokens}
    return fields


def _compact(schema: dict[str, Any] | None) -> str:
    return json.dumps(schema, ensure_ascii=False, separators=(",", ":"))


def _content(question: Question) -> list[dict[str, Any]]:
    """Return the attachments and then the prompt, because a prompt should follow the picture that it is about."""
    blocks: list[dict[str, Any]] = []
    names: set[str] = set()
    for each in accept_attachments(question.attachments, _kinds(question.model_id), "Bedrock"):
        source = {"bytes": each.attachment.content}
        if each.kind is _PICTURES:
            blocks.append({"image": {"format": each.format, "source": source}})
        else:
            name = _document_name(each.attachment.name, names)
            names.add(name)
            blocks.append({"document": {"format": each.format, "name": name, "source": source}})
    return [*blocks, {"text": question.prompt}]


def _kinds(model_id: str) -> list[AttachmentKind]:
    """Return what a model accepts, the narrowest kind first."""
    large = family_of(model_id).large_documents
    formats = {media_type: _DOCUMENTS.formats[media_type] for media_type in large}
    return [_PICTURES, replace(_DOCUMENTS, formats=formats, max_bytes=_MAX_LARGE_BYTES), _DOCUMENTS]


def _document_name(name: str, taken: Collection[str]) -> str:
    """Return a unique name that Bedrock accepts: letters, digits, single blanks, hyphens and brackets."""
    cleaned = re.sub(r"[^A-Za-z0-9()\[\]-]+", " ", name.rpartition(".")[0] or name).strip()[:_LONGEST_NAME].strip()
    base = cleaned or "document"
    numbered = (f"{base} ({number})" for number in count(2))
    return next(candidate for candidate in chain([base], numbered) if candidate not in taken)
