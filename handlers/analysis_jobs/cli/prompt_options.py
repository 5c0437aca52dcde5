"""The options of `analysis-jobs prompts`. The commands themselves import boto3, so they are in another module."""

import argparse
from pathlib import Path

from analysis_jobs.cli import environment


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the commands below `prompts`."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="print the answer as one JSON document")
    help_ = f"name of the prompt table (default: {environment.PROMPT_TABLE_VARIABLE})"
    common.add_argument("--table", help=help_)
    commands = parser.add_subparsers(dest="prompts_command", required=True, metavar="COMMAND")

    def command(word: str, help_: str, *, named: bool = True, changes: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(word, parents=[common], help=help_, description=help_)
        if named:
            added.add_argument("name", metavar="NAME", help="name of the prompt: section/sub-section")
        if changes:
            added.add_argument("--dry-run", action="store_true", help="only show what would change")
        return added

    command("list", "list all prompts and their active versions", named=False)
    command("show", "show a version of a prompt").add_argument(
        "--version", type=int, metavar="N", help="number of the version (default: the active one, else the newest)"
    )
    command("history", "show the changes of the active version, newest first").add_argument(
        "--limit", type=int, default=20, metavar="N", help="show at most N changes (default: 20)"
    )
    put = command("put", "store a new version of a prompt; a stored version never changes", named=False, changes=True)
    put.add_argument("file", type=Path, metavar="FILE.toml", help="the prompt as a TOML file")
    put.add_argument("--activate", action="store_true", help="also make it the active version for its categories")
    command("activate", "make a version the active one for its categories", changes=True).add_argument(
        "version", type=int, metavar="VERSION", help="number of the version"
    )
    command("rollback", "undo the last change that was not undone yet", changes=True)
    command("deactivate", "leave no version active; jobs then use the prompt in the code", changes=True)
