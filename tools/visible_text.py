"""Reference texts for `tools/corpus.py`: what a file shows, by means other than the document reader.

They share no code with the reader, so that the two do not have the same faults. The reference of a PDF is the output of
Poppler's `pdftotext`. The reference of an Office file is the text in its XML.
"""

import io
import re
import subprocess
import unicodedata
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import fromstring

# Chinese and Japanese put no spaces between words: each character counts as a word.
_IDEOGRAPHS = r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_IDEOGRAPH = re.compile(_IDEOGRAPHS)
_WORD = re.compile(rf"{_IDEOGRAPHS}|(?:(?!{_IDEOGRAPHS})[^\W_])+")
_LAST_LATIN = "\u024f"
_BROKEN = re.compile(r"[-\u00ad\u2010]\s*\n\s*|\u00ad")
_POPPLER_S = 120
_MAX_PAGES = 10_000
_TURNED = re.compile(r"rot: +[1-9]")
# Texts are compared without spaces in groups of so many characters.
_GROUP = 3
# A page of text is torn if more than this share of so many words has one or two letters. In English it is a quarter.
_TORN, _MIN_TORN_WORDS = 0.5, 10
# Vietnamese has the most letters with accents: a third. Text in a wrong encoding has more.
_MAX_ACCENTED, _MIN_LETTERS = 0.6, 15
# What a Word document contains and does not show.
_HIDDEN = {"del", "delText", "moveFrom", "instrText", "delInstrText", "Fallback"}
_BREAKS = {"tab", "ptab", "br", "cr", "p", "tc", "txbxContent", "footnote", "endnote", "comment"}
# Values of the attribute `val` that switch a property off.
_OFF = {"0", "false", "off"}


@dataclass(frozen=True)
class Recall:
    """The share of a reference that was found, 0 to 1: of its words, and of its characters without spaces."""

    words: float
    characters: float

    @property
    def better(self) -> float:
        """The greater share. Both texts may have torn or joined other words, and then only the characters agree."""
        return max(self.words, self.characters)


def recall(reference: str, found: str) -> Recall:
    """Compare a text with its reference. What occurs several times counts as often."""
    return Recall(share(words(reference), words(found)), share(_groups(reference), _groups(found)))


def words(text: str) -> Counter[str]:
    """Return the words of a text and how often each occurs. Case and hyphens at line ends do not matter."""
    return Counter(_words(text))


def _words(text: str) -> list[str]:
    return _WORD.findall(unicodedata.normalize("NFKC", _BROKEN.sub("", text)).casefold())


def _groups(text: str) -> Counter[str]:
    """Return each three characters that follow each other in the words of a text, across the spaces."""
    joined = "".join(_words(text))
    return Counter(joined[start : start + _GROUP] for start in range(len(joined) - _GROUP + 1))


def is_torn(text: str) -> bool:
    """Tell whether a text has mostly pieces of words. Numbers, Chinese and Japanese do not count."""
    found = [word for word in _words(text) if not word.isdigit() and not _IDEOGRAPH.match(word)]
    return len(found) >= _MIN_TORN_WORDS and sum(len(word) <= 2 for word in found) > _TORN * len(found)  # noqa: PLR2004


def is_mojibake(text: str) -> bool:
    """Tell whether most Latin letters of a text have accents: no language is written so, but bytes of another one."""
    letters = [letter for letter in text if letter.isalpha() and letter <= _LAST_LATIN]
    return len(letters) >= _MIN_LETTERS and sum(not each.isascii() for each in letters) > _MAX_ACCENTED * len(letters)


def share(reference: Counter[str], found: Counter[str]) -> float:
    """Return the share of the reference's items that were found, 0 to 1."""
    total = reference.total()
    return (reference & found).total() / total if total else 1.0


def of_pdf(path: Path) -> str | None:
    """Return the text that `pdftotext` finds in what the pages show; None if it cannot open the file."""
    return _run("pdftotext", "-q", "-enc", "UTF-8", *_cropped(path), str(path), "-")


def _cropped(path: Path) -> list[str]:
    """Return options that crop the text as the pages are: `pdftotext` reads whole pages. Empty if pages differ."""
    told = _run("pdfinfo", "-f", "1", "-l", str(_MAX_PAGES), "-box", str(path)) or ""
    boxes = {kind: set(re.findall(rf"{kind}Box: +([-\d. ]+)$", told, re.MULTILINE)) for kind in ("Media", "Crop")}
    if boxes["Media"] == boxes["Crop"] or not all(len(found) == 1 for found in boxes.values()) or _TURNED.search(told):
        return []
    left, _, _, top = map(float, boxes["Media"].pop().split())
    x0, y0, x1, y1 = map(float, boxes["Crop"].pop().split())
    numbers = (x0 - left, top - y1, x1 - x0, y1 - y0)
    return [part for option, number in zip("xyWH", numbers, strict=True) for part in (f"-{option}", str(round(number)))]


def _run(*command: str) -> str | None:
    try:
        done = subprocess.run(command, capture_output=True, check=False, timeout=_POPPLER_S)
    except subprocess.TimeoutExpired:
        return None
    return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else None


def of_docx(path: Path) -> str | None:
    """Return the text of a Word document: the body, notes and comments, and each header and footer in use."""
    return _of_archive(path, _word_parts)


def of_xlsx(path: Path) -> str | None:
    """Return the strings in the cells of a workbook. Numbers are left out, because a cell shows them formatted."""
    return _of_archive(path, _cell_texts)


def of_pptx(path: Path) -> str | None:
    """Return the text of all slides and their notes."""
    return _of_archive(path, _slide_texts)


def of_odt(path: Path) -> str | None:
    """Return the text of an OpenDocument text."""
    return _of_archive(path, lambda archive: [_odf_text(fromstring(archive.read("content.xml")))])


type _Texts = Callable[[zipfile.ZipFile], Sequence[str]]


def _of_archive(path: Path, texts: _Texts) -> str | None:
    try:
        with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as archive:
            return "\n".join(texts(archive))
    except Exception:  # noqa: BLE001 - a file that is broken by intent has no reference, whatever the reason
        return None


def _parts(archive: zipfile.ZipFile, pattern: str) -> list[Element]:
    r"""Return the parsed parts with these names. Some programs write `/word/` or `word\`."""
    named = {name.replace("\\", "/").lstrip("/"): name for name in archive.namelist()}
    return [fromstring(archive.read(named[name])) for name in sorted(named) if re.fullmatch(pattern, name)]


def _word_parts(archive: zipfile.ZipFile) -> list[str]:
    roots = _parts(archive, r"word/(document|footnotes|endnotes|comments)\d*\.xml")
    texts = [_word_text(root) for root in roots]
    # A header that repeats another one, or that no section uses, need not be found.
    for kind in ("header", "footer"):
        if any(_local(element) == f"{kind}Reference" for root in roots for element in root.iter()):
            texts += sorted({_word_text(root) for root in _parts(archive, rf"word/{kind}\d*\.xml")})
    return texts


def _word_text(root: Element) -> str:
    return "".join(_word_pieces(root))


def _word_pieces(element: Element) -> Iterator[str]:
    name = _local(element)
    if name in _HIDDEN or (name == "r" and _is_hidden_run(element)):
        return
    if name == "t":
        yield element.text or ""
    elif name == "noBreakHyphen":
        yield "-"
    if name in _BREAKS:
        yield "\n"
    for child in element:
        yield from _word_pieces(child)
    if name in _BREAKS:
        yield "\n"


def _is_hidden_run(run: Element) -> bool:
    for properties in run:
        for each in properties if _local(properties) == "rPr" else ():
            if _local(each) == "vanish":
                return not _OFF & set(each.attrib.values())
    return False


def _cell_texts(archive: zipfile.ZipFile) -> list[str]:
    shared = [_string(item) for root in _parts(archive, r"xl/sharedStrings\.xml") for item in root]
    texts: list[str] = []
    for sheet in _parts(archive, r"xl/worksheets/[^/]+\.xml"):
        for cell in (element for element in sheet.iter() if _local(element) == "c"):
            kind = cell.get("t")
            value = next((each.text or "" for each in cell if _local(each) == "v"), "")
            if kind == "s" and value:
                texts.append(shared[int(value)])
            elif kind == "inlineStr":
                texts.extend(_string(each) for each in cell if _local(each) == "is")
            elif kind == "str":
                texts.append(value)
    return texts


def _string(item: Element) -> str:
    """Return a string of a workbook without its phonetic reading."""
    runs = [item, *(run for run in item if _local(run) == "r")]
    return "".join(each.text or "" for run in runs for each in run if _local(each) == "t")


def _slide_texts(archive: zipfile.ZipFile) -> list[str]:
    return [
        "\n".join(
            "".join(_piece(element) for element in paragraph.iter())
            for paragraph in root.iter()
            if _local(paragraph) == "p"
        )
        for root in _parts(archive, r"ppt/(slides|notesSlides)/[^/]+\.xml")
    ]


def _piece(element: Element) -> str:
    name = _local(element)
    return (element.text or "") if name == "t" else "\n" if name in {"br", "tab"} else ""


def _odf_text(root: Element) -> str:
    body = next(element for element in root if _local(element) == "body")
    return "\n".join("".join(_odf_pieces(paragraph)) for paragraph in body.iter() if _local(paragraph) in {"p", "h"})


def _odf_pieces(element: Element) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        if _local(child) in {"s", "tab", "line-break"}:
            yield " "
        elif _local(child) not in {"p", "h"}:
            yield from _odf_pieces(child)
        yield child.tail or ""


def _local(element: Element) -> str:
    return element.tag.rpartition("}")[2]
