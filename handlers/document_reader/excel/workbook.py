"""Reads what the sheets of an Excel workbook share: their names, the texts, and the formats of the cells."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from xml.etree.ElementTree import Element, iterparse

from document_reader.excel.format_codes import BUILT_IN, GENERAL
from document_reader.office.names import R
from document_reader.office.opc import Package, Tree

# Excel stores control characters, and texts that look like this, as _x000D_.
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


@dataclass(frozen=True)
class Sheet:
    """A sheet: its name, its part (None if the file lacks it), and whether Excel hides it."""

    name: str
    part: str | None
    hidden: bool


@dataclass(frozen=True)
class Workbook:
    """A workbook. `texts` are the shared texts, and `formats` the number format of each cell style."""

    sheets: list[Sheet]
    texts: list[str]
    formats: list[str]
    date1904: bool

    @classmethod
    def of(cls, package: Package, main: str) -> "Workbook":
        """Read a workbook. Styles that are missing or damaged give plain numbers.

        Raises one of `opc.DAMAGED` for a damaged main part, or for damaged texts.
        """
        tree = package.tree(main)
        properties = tree.root.find("{*}workbookPr")
        texts = package.related(main, "sharedStrings")
        return cls(
            list(_sheets(package, main, tree)),
            list(_texts(package, texts)) if texts else [],
            _formats(package.optional_tree(package.related(main, "styles"))),
            properties is not None and properties.get("date1904", "0").lower() in {"1", "true", "on"},
        )


def local(element: Element) -> str:
    """Return the name of an element without its namespace. ISO strict has other namespaces for the same names."""
    return _local(element.tag)


# A sheet has millions of elements with few names.
@lru_cache(maxsize=1_000)
def _local(tag: str) -> str:
    return tag.rpartition("}")[2]


def rich_text(element: Element) -> str:
    """Return the text of a shared or inline text, without the reading aids of East Asian text."""
    found = []
    for child in element:
        if local(child) == "t":
            found.append(child.text or "")
        elif local(child) == "r":
            found += [each.text or "" for each in child if local(each) == "t"]
    return unescaped("".join(found))


def unescaped(text: str) -> str:
    """Return text with _x000D_ and the like replaced by their characters."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text) if "_x" in text else text


def _sheets(package: Package, main: str, tree: Tree) -> Iterator[Sheet]:
    links = package.relationships(main)
    for number, sheet in enumerate(tree.root.iterfind("{*}sheets/{*}sheet"), 1):
        link = links.get(sheet.get(f"{R}id", ""))
        hidden = sheet.get("state", "visible") != "visible"
        yield Sheet(unescaped(sheet.get("name") or f"Sheet{number}"), link.target if link else None, hidden)


def _texts(package: Package, part: str) -> Iterator[str]:
    with package.open(part) as stream:
        root: Element | None = None
        for event, element in iterparse(stream, ("start", "end")):  # noqa: S314 - `open` refuses entities
            if event == "start":
                root = element if root is None else root
            elif local(element) == "si":
                yield rich_text(element)
                if root is not None:
                    root.clear()


def _formats(tree: Tree | None) -> list[str]:
    """Return the number format of each cell style."""
    if tree is None:
        return []
    own: dict[str, str] = {}
    for element in tree.root.iterfind(".//{*}numFmt"):
        own.setdefault(element.get("numFmtId", ""), unescaped(element.get("formatCode", GENERAL)))
    styles = tree.root.find("{*}cellXfs")
    return [_format(style.get("numFmtId", "0"), own) for style in (() if styles is None else styles)]


def _format(format_id: str, own: dict[str, str]) -> str:
    if format_id in own:
        return own[format_id]
    return BUILT_IN.get(int(format_id), GENERAL) if format_id.isdecimal() else GENERAL
