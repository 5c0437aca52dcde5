"""A prompt for the tests of the prompt table, and how they read what is active."""

from dataclasses import replace
from typing import Any

from analysis_jobs import Prompt
from analysis_jobs.prompts import DynamoPromptStore

TABLE = "prompts"
NAME = "proposal_writer/step-1"
CATEGORY = "RFP / Call for Proposals"
PROMPT = Prompt(
    section="proposal_writer",
    sub_section="step-1",
    categories=(CATEGORY,),
    user_prompt_template="Read this.\n<document>\n{rfp_text}\n</document>",
    version=3,
)


def worded(words: str, **fields: Any) -> Prompt:
    """Return the prompt with another text."""
    return replace(PROMPT, user_prompt_template=f"{words}: {{rfp_text}}", **fields)


def active(store: DynamoPromptStore, category: str = CATEGORY) -> int | None:
    """Return the number of the active version, or None."""
    found = store.active("proposal_writer", "step-1", category)
    return found.version if found else None
