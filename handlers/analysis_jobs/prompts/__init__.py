"""Prompts as data: versions in a DynamoDB table, read by key, with templates that document text cannot break."""

from analysis_jobs.prompts.store import DynamoPromptStore, MemoryPromptStore, PromptStore, prompt_key
from analysis_jobs.prompts.template import MAX_CATEGORIES, Prompt, RenderedPrompt, fill_prompt

__all__ = [
    "MAX_CATEGORIES",
    "DynamoPromptStore",
    "MemoryPromptStore",
    "Prompt",
    "PromptStore",
    "RenderedPrompt",
    "fill_prompt",
    "prompt_key",
]
