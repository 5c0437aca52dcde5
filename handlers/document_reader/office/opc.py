"""Finds the parts of an Office file, as Word and Excel do: by content type and relationship, not by name.

The rules are those of the Open Packaging Conventions (ECMA-376, part 2). A part may have any name: Word for the web
calls the main part of a document `word/document2.xml`.
"""

import io
import posixpath
import re
import zipfile
import zlib
from dataclasses import dataclass
from typing import IO
from urllib.parse import unquote
from xml.etree.ElementTree import Element, ParseError, fromstring

from document_reader.office.archives import opened
from document_reader.task import UnreadableError

# The main part's content type, or its folder if the content type is missing -> the program that opens the file.
_PROGRAMS = {
    "word": re.compile(r"wordprocessingml|ms-word"),
    "excel": re.compile(r"spreadsheetml|ms-excel"),
    "powerpoint": re.compile(r"presentationml|ms-powerpoint"),
}
_FOLDERS = {"word": "word", "xl": "excel", "ppt": "powerpoint"}
_BINARY_WORKBOOK = "application/vnd.ms-excel.sheet.binary"
_TYPES = "[Content_Types].xml"
_RELATIONSHIP = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"
# ISO strict names -> the names of ECMA, which all other files use: `…/wordprocessingml/main` -> `…/wordprocessingml/
# 2006/main`. Both mean the same elements.
_STRICT = re.compile(rb"""(xmlns(?::[\w.-]+)?\s*=\s*["'])http://purl\.oclc\.org/ooxml/([\w/]+)/(\w+)(?=["'])""")
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
# Office understands the namespaces of Microsoft and of the standard.
_UNDERSTOOD = ("http://schemas.microsoft.com/", "http://schemas.openxmlformats.org/", "urn:schemas-microsoft-com:")
_PREFIXES = re.compile(rb"""xmlns:([\w.-]+)\s*=\s*["']([^"']*)""")

# What a damaged part raises, or one that is not XML. Unknown encodings are lookup and value errors.
DAMAGED = (zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, ParseError, LookupError, ValueError)


@dataclass(frozen=True)
class Relationship:
    """A link from one part to another: `kind` is the last word of its type, such as `styles`."""

    kind: str
    target: str


@dataclass(frozen=True)
class Tree:
    """The XML of a part. `prefixes` are its namespace prefixes: markup compatibility refers to namespaces by them."""

    root: Element
    prefixes: dict[str, str]

    def branch(self, element: Element) -> Element | None:
        """Return the element itself, or the one branch of an `mc:AlternateContent` that Office shows.

        It is the first choice with namespaces that Office understands, else the fallback, else None.
        """
        if element.tag != f"{_MC}AlternateContent":
            return element
        for choice in element.findall(f"{_MC}Choice"):
            spaces = [self.prefixes.get(prefix, "") for prefix in choice.get("Requires", "").split()]
            if all(space.startswith(_UNDERSTOOD) for space in spaces):
                return choice
        return element.find(f"{_MC}Fallback")


class Package:
    """The parts of an Office file. Names are compared without case, and damaged relationships are left out."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._parts = {_plain(part.filename): part for part in archive.infolist()}
        self._relationships: dict[str, dict[str, Relationship]] = {}

    @classmethod
    def of(cls, content: bytes) -> "Package":
        """Return the package of a file. Raises `zipfile.BadZipFile`."""
        return cls(zipfile.ZipFile(io.BytesIO(content)))

    def __contains__(self, part: str) -> bool:
        return _plain(part) in self._parts

    def main(self) -> str | None:
        """Return the name of the main part, or None if the file is not an Office file."""
        types = self._types()
        candidates = [link.target for link in self.relationships("").values() if link.kind == "officeDocument"]
        candidates += [name for name, content_type in types.items() if ".main+xml" in content_type]
        candidates += ["word/document.xml", "xl/workbook.xml", "xl/workbook.bin", "ppt/presentation.xml"]
        return next((name for name in candidates if name in self), None)

    def program(self) -> str | None:
        """Return the program that opens the file: `word`, `excel`, `powerpoint`, `excel binary` or None."""
        main = self.main()
        if main is None:
            return None
        content_type = self._types().get(_plain(main), "")
        if content_type.startswith(_BINARY_WORKBOOK) or main.lower().endswith("workbook.bin"):
            return "excel binary"
        for program, pattern in _PROGRAMS.items():
            if pattern.search(content_type):
                return program
        return _FOLDERS.get(_plain(main).partition("/")[0])

    def relationships(self, part: str) -> dict[str, Relationship]:
        """Return the relationships of a part by ID; those of the package for "". A missing or damaged list is empty.

        Relationships to parts that do not exist are left out, as are links to other files.
        """
        part = _plain(part)
        if part not in self._relationships:
            self._relationships[part] = dict(self._read_relationships(part))
        return self._relationships[part]

    def related(self, part: str, kind: str) -> str | None:
        """Return the first part of a kind that `part` refers to, or None."""
        return next((link.target for link in self.relationships(part).values() if link.kind == kind), None)

    def tree(self, part: str) -> Tree:
        """Return the XML of a part, with the names of ISO strict replaced by those of ECMA.

        Raises one of `DAMAGED`, and `UnreadableError` if the part declares XML entities.
        """
        with self.open(part) as stream:
            content = stream.read()
        if content.startswith((b"\xff\xfe", b"\xfe\xff")):
            content = re.sub(r"<\?xml[^>]*\?>", "", content.decode("utf-16"), count=1).encode()
        content = _STRICT.sub(rb"\1http://schemas.openxmlformats.org/\2/2006/\3", content)
        prefixes = {prefix.decode(): uri.decode("utf-8", "replace") for prefix, uri in _PREFIXES.findall(content)}
        return Tree(fromstring(content), prefixes)  # noqa: S314 - a part that declares entities was refused

    def optional_tree(self, part: str | None) -> Tree | None:
        """Return the XML of a part that the text can do without, or None if it is missing or damaged."""
        if part is None or part not in self:
            return None
        try:
            return self.tree(part)
        except DAMAGED:
            return None

    def content(self, part: str) -> bytes:
        """Return the bytes of a part that is not XML. Raises one of `DAMAGED`."""
        return self._archive.read(self._parts[_plain(part)])

    def open(self, part: str) -> IO[bytes]:
        """Open a part that is too large for a tree. Raises as `tree` does."""
        info = self._parts[_plain(part)]
        if info.flag_bits & 1:
            raise UnreadableError("document_encrypted", "is encrypted: upload it without a password")
        return opened(self._archive, info)

    def _types(self) -> dict[str, str]:
        """Return the content type of each part that has one of its own."""
        tree = self.optional_tree(_TYPES)
        overrides = (entry for entry in tree.root if entry.tag.endswith("}Override")) if tree else ()
        return {_plain(entry.get("PartName", "")): entry.get("ContentType", "") for entry in overrides}

    def _read_relationships(self, part: str) -> list[tuple[str, Relationship]]:
        folder, _, name = part.rpartition("/")
        tree = self.optional_tree(posixpath.join(folder, "_rels", f"{name}.rels"))
        found = []
        for entry in tree.root.iter(_RELATIONSHIP) if tree else ():
            written = entry.get("Target", "").replace("\\", "/")
            absolute = [posixpath.normpath(posixpath.join("/", folder, each)) for each in (written, unquote(written))]
            target = next((each for each in absolute if each in self), None)
            if target and entry.get("TargetMode") != "External":
                kind = entry.get("Type", "").rpartition("/")[2]
                found.append((entry.get("Id", ""), Relationship(kind, target)))
        return found


def _plain(name: str) -> str:
    return name.replace("\\", "/").lstrip("/").lower()
