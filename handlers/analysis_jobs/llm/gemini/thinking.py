"""Effort, thinking budget and service tier of a question, in Gemini's words.

Gemini 3 takes a level, Gemini 2.5 a budget: https://ai.google.dev/gemini-api/docs/thinking. Both in one request are an
error. Tiers: https://ai.google.dev/gemini-api/docs/optimization
"""

from typing import Any

from analysis_jobs.base.extras import extra
from analysis_jobs.llm.model import Question

with extra("gemini"):
    from google.genai import types


def thinking_config(question: Question) -> Any:
    """Return the thinking configuration; None for the model's own."""
    if question.effort is not None:
        return types.ThinkingConfig(thinking_level=types.ThinkingLevel(question.effort.upper()))
    if question.thinking_tokens is not None:
        return types.ThinkingConfig(thinking_budget=question.thinking_tokens)
    return None


def service_tier(question: Question) -> Any:
    """Return the service tier; None for Google's own. Google calls the default `standard`."""
    if question.tier is None:
        return None
    return types.ServiceTier("standard" if question.tier == "default" else question.tier)
