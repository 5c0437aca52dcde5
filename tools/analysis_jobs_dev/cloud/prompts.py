"""Puts the prompts of a project into its prompt table, as `analysis-jobs prompts put --activate` does."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis_jobs.prompts import Prompt
from analysis_jobs.prompts.library import PromptError, PromptLibrary

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_dynamodb import DynamoDBClient


def put_prompts(folder: Path | None, client: DynamoDBClient, table: str) -> int:
    """Activate each prompt file of the folder; return their number.

    Raises ConfigurationError for a file that is not a prompt, before any of them is activated.
    """
    library = PromptLibrary(client, table)
    prompts = [Prompt.load(file) for file in sorted(folder.glob("*.toml"))] if folder else []
    for prompt in prompts:
        try:
            library.put(prompt, activate=True)
        except PromptError:
            # The file was edited under the same version: take the next free one.
            library.put(replace(prompt, version=0), activate=True)
    return len(prompts)
