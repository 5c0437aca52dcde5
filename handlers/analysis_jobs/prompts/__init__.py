"""Prompts are data: a table of them, looked up by key, and a template that no text can break."""

from analysis_jobs.prompts.store import DynamoPromptStore, MemoryPromptStore, PromptStore, prompt_key
from analysis_jobs.prompts.template import MAX_CATEGORIES, Prompt, RenderedPrompt

__all__ = [
    "MAX_CATEGORIES",
    "DynamoPromptStore",
    "MemoryPromptStore",
    "Prompt",
    "PromptStore",
    "RenderedPrompt",
    "prompt_key",
]
