"""The words of `analysis-jobs prompts`: apart from what they do, which needs boto3."""

import argparse
from pathlib import Path

from analysis_jobs.cli import environment


def add_commands(parser: argparse.ArgumentParser) -> None:
    """Add the words that follow `prompts`."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", help="answer with one JSON document")
    common.add_argument("--table", help=f"the prompt table; else {environment.PROMPT_TABLE_VARIABLE}")
    commands = parser.add_subparsers(dest="prompts_command", required=True, metavar="COMMAND")

    def command(word: str, help_: str, *, named: bool = True, changes: bool = False) -> argparse.ArgumentParser:
        added = commands.add_parser(word, parents=[common], help=help_, description=help_)
        if named:
            added.add_argument("name", metavar="NAME", help="section/sub-section")
        if changes:
            added.add_argument("--dry-run", action="store_true", help="show what would change, and change nothing")
        return added

    command("list", "show every prompt, and which of its versions are active", named=False)
    command("show", "show a version of a prompt").add_argument(
        "--version", type=int, metavar="N", help="this one (default: the active one, else the newest)"
    )
    command("history", "show when what became active").add_argument(
        "--limit", type=int, default=20, metavar="N", help="at most so many changes (default: 20)"
    )
    put = command("put", "keep a version of a prompt, which is never changed again", named=False, changes=True)
    put.add_argument("file", type=Path, metavar="FILE.toml")
    put.add_argument("--activate", action="store_true", help="and make it the active one of its categories")
    command("activate", "make a version the active one of its categories", changes=True).add_argument(
        "version", type=int, metavar="VERSION"
    )
    command("rollback", "take the last change back that was not taken back yet", changes=True)
    command("deactivate", "leave no version active: the code's default is used", changes=True)
