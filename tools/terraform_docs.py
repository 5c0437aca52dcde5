"""Writes the input and output tables of each module's README, in the shape of terraform-docs.

    python tools/terraform_docs.py           writes the tables
    python tools/terraform_docs.py --check   lists the READMEs that do not match, and exits with 1

The tables stand between the markers of terraform-docs. They are made from the files `variables*.tf` and `outputs.tf`.
The parser relies on the layout of `terraform fmt`: a block begins and ends at the margin, and its arguments are
indented by two spaces.
"""

import argparse
import re
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
BEGIN, END = "<!-- BEGIN_TF_DOCS -->", "<!-- END_TF_DOCS -->"
INPUTS = ("Name", "Description", "Type", "Default", "Required")
OUTPUTS = ("Name", "Description")

_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}$', re.MULTILINE | re.DOTALL)
_HEREDOC = re.compile(r"<<-?(\w+)\n(.*?)\n\s*\1$", re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A `variable` or an `output`: its name, and the source text of its arguments."""

    name: str
    arguments: dict[str, str]

    @property
    def description(self) -> str:
        """The description as one line. Raises `ValueError` if it is missing."""
        source = self.arguments.get("description")
        if source is None:
            raise ValueError(f"{self.name} has no description")
        if heredoc := _HEREDOC.fullmatch(source):
            return " ".join(heredoc[2].split()).replace("$${", "${")
        return source[1:-1].replace('\\"', '"').replace("\\\\", "\\").replace("$${", "${")


def source(module: Path, name: str) -> str:
    """Return the text of a module's files `NAME*.tf`, one after the other."""
    return "\n".join(path.read_text(encoding="utf-8") for path in sorted(module.glob(f"{name}*.tf")))


def blocks(text: str, kind: str) -> list[Block]:
    """Return the blocks of a kind (`variable` or `output`), sorted by name."""
    found = [Block(name, dict(_arguments(body))) for of, name, body in _BLOCK.findall(text) if of == kind]
    return sorted(found, key=lambda block: block.name)


def _arguments(body: str) -> Iterator[tuple[str, str]]:
    """Yield name and source of each argument; nested blocks are left out."""
    lines = iter(body.splitlines())
    for line in lines:
        begins = re.fullmatch(r"  (\w+) += (.*)", line)
        if not begins:
            continue
        source = [begins[2]]
        closes = _closing(begins[2])
        while closes and not re.fullmatch(closes, source[-1]):
            source.append(next(lines))
        yield begins[1], "\n".join(source)


def _closing(first: str) -> str | None:
    """Return a pattern for the last line of a value, or None if the value has only one line."""
    if heredoc := re.search(r"<<-?(\w+)$", first):
        return rf"\s*{heredoc[1]}"
    return r"  [\]\)\}]+" if first.endswith(("{", "[", "(")) else None


def tables(variables: str, outputs: str) -> str:
    """Return the section with both tables."""
    inputs = [
        (
            _name("input", block.name),
            _cell(block.description),
            _code(block.arguments["type"]),
            _code(block.arguments["default"]) if "default" in block.arguments else "n/a",
            "no" if "default" in block.arguments else "yes",
        )
        for block in blocks(variables, "variable")
    ]
    results = [(_name("output", block.name), _cell(block.description)) for block in blocks(outputs, "output")]
    return "\n".join(["## Inputs", "", *_table(INPUTS, inputs), "", "## Outputs", "", *_table(OUTPUTS, results)])


def _name(kind: str, name: str) -> str:
    return f'<a name="{kind}_{name}"></a> [{name}](#{kind}_{name})'


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _code(source: str) -> str:
    """Return a type or a default: one line as code, several as a preformatted block."""
    if "\n" not in source:
        return f"`{source}`"
    first, _, rest = source.partition("\n")
    # Remove the alignment of equals signs, to save width.
    lines = [re.sub(r" +=", " =", line) for line in (first, *textwrap.dedent(rest).splitlines())]
    return "<pre>" + "<br/>".join(_cell(line) for line in lines) + "</pre>"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows)]


def written(readme: str, section: str) -> str:
    """Return the README with the section between its markers. Raises `ValueError` if a marker is missing."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the README lacks the markers: add {BEGIN} and {END} where the tables belong")
    return f"{before}{BEGIN}\n\n{section}\n\n{END}{after}"


def main(arguments: Sequence[str] | None = None, repository: Path = REPOSITORY) -> int:
    """Write the tables, or check them; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a README does not match")
    check = parser.parse_args(arguments).check
    stale = []
    for readme in sorted(repository.glob("modules/*/README.md")):
        now = readme.read_text(encoding="utf-8")
        new = written(now, tables(source(readme.parent, "variables"), source(readme.parent, "outputs")))
        if new != now:
            stale.append(readme.relative_to(repository).as_posix())
            if not check:
                readme.write_text(new, encoding="utf-8")
    if check and stale:
        print(f"{', '.join(stale)}: the tables do not match the module. Run `make reference`.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
