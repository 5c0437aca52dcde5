"""Every command that the documentation shows exists, with the options that it shows."""

import re
import shlex
from collections.abc import Iterator

import pytest

from analysis_jobs.cli.main import main
from tests.docs.pages import REPOSITORY


def shown() -> Iterator[tuple[str, str]]:
    """Yield (page, command) for each line of a code block that calls the command line."""
    pages = ("README.md", "docs/**/*.md", "examples/*/README.md")
    for page in sorted(path for pattern in pages for path in REPOSITORY.glob(pattern)):
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip().startswith("analysis-jobs "):
                    yield page.relative_to(REPOSITORY).as_posix(), line.strip()


COMMANDS = list(shown())


def test_the_documentation_shows_commands() -> None:
    assert {"docs/call/command-line.md", "docs/operations.md", "docs/write/prompts.md"} <= {
        page for page, _ in COMMANDS
    }


@pytest.mark.parametrize(("page", "line"), COMMANDS)
def test_a_shown_command_exists_with_its_options(page: str, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    [_, *arguments] = shlex.split(line, comments=True)
    if arguments == ["--install-completion"]:
        return  # it writes to the shell's configuration
    # All options are read before `--help` is answered.
    assert main([*arguments, "--help"]) == 0, f"{page}: {line}\n{capsys.readouterr().err}"


def test_an_option_that_does_not_exist_is_found() -> None:
    assert main(["submit", "rfp-analysis", "--documents", "rfp.pdf", "--help"]) == 2
