"""Puts the prompts of an example into the prompt table: the one place where that happens."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from analysis_jobs.prompts import DynamoPromptStore, Prompt

if TYPE_CHECKING:
    from pathlib import Path

    from types_boto3_dynamodb import DynamoDBClient


def put_prompts(folder: Path, client: DynamoDBClient, table: str) -> int:
    """Make each prompt file of the folder the active one; return how many there are."""
    store = DynamoPromptStore(client, table)
    files = sorted(folder.glob("*.toml"))
    for file in files:
        prompt = Prompt.load(file)
        # 0 is the default that ships with the code; in a table versions begin at 1.
        store.put_active(replace(prompt, version=prompt.version or 1))
    return len(files)
