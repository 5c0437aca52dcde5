"""Reads a folder of documents with the document reader, and prints how much of their text it finds.

    make corpus DIR=~/documents
    PYTHONPATH=handlers python tools/corpus.py ~/documents --kinds pdf,docx --no-ocr --details corpus.jsonl

For each kind: how many files were read, refused (with the codes), and killed because they crashed or took too long. For
PDF and Office files also the words found, compared with a reference (`tools/visible_text.py`). A file is listed if too
little of its reference was found, by words and also by characters without spaces.

The reference of a PDF needs `pdftotext` (Debian's package poppler-utils). If too little of it was found, the pages on
which `pdftotext` itself has no words, or only pieces of words, are no reference. Their files are listed.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import visible_text
from analysis_jobs.base.errors import Fail
from analysis_jobs.documents.reader import DocumentReader, ReaderLimits
from document_reader.kinds import EXTENSIONS
from document_reader.pdf.trust import is_implausible

type Outcome = Literal["read", "refused", "killed", "crashed"]

# A file with fewer words in its reference is not compared: a single word would decide.
MIN_WORDS = 10
# A file with a smaller share of its words is listed. A PDF's order and hyphens leave more to interpretation.
WANTED = {"pdf": 0.8, "docx": 0.95, "xlsx": 0.95, "pptx": 0.95, "odt": 0.95}
_REFERENCES: Mapping[str, Callable[[Path], str | None]] = {
    "pdf": visible_text.of_pdf,
    "docx": visible_text.of_docx,
    "xlsx": visible_text.of_xlsx,
    "pptx": visible_text.of_pptx,
    "odt": visible_text.of_odt,
}
_MAX_BYTES = 50_000_000  # the module's default for `documents.max_bytes` is less


@dataclass(frozen=True)
class Figure:
    """What became of one file. `reason` is a code and a message.

    `words` is the share of words found, and `recall` the greater one of it and the share of characters, if compared.
    `illegible` counts the pages that were not compared, because the reference has no words there.
    """

    path: str
    kind: str
    outcome: Outcome
    seconds: float
    reason: str = ""
    words: float | None = None
    recall: float | None = None
    illegible: int = 0


def documents(folder: Path, kinds: Sequence[str] | None) -> Iterator[tuple[Path, str]]:
    """Yield each file with the ending of a supported kind, and the kind. Folders that begin with a dot are left out."""
    for path in sorted(folder.rglob("*")):
        kind = EXTENSIONS.get(path.suffix[1:].lower())
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if kind and not hidden and path.is_file() and (kinds is None or kind in kinds):
            yield path, kind


def measure(folder: Path, document: tuple[Path, str], reader: DocumentReader) -> Figure:
    """Read one file as a job would, and compare its words with the reference."""
    path, kind = document
    begun = time.perf_counter()
    figure = partial(_figure, str(path.relative_to(folder)), kind, begun)
    content = path.read_bytes()
    if len(content) > _MAX_BYTES:
        return figure("refused", f"document_too_large: has {len(content)} bytes")
    try:
        reading = reader.read(content, path.name, lambda: None)
    except Fail as failure:
        killed = isinstance(failure.__cause__, subprocess.SubprocessError)
        return figure("killed" if killed else "refused", f"{failure.code}: {failure.message}")
    except Exception as error:  # noqa: BLE001 - every other error is a crash, which this program counts
        return figure("crashed", f"{type(error).__name__}: {error}")
    done = figure("read", "")
    reference = _reference(path, reading.kind) or ""
    compared = _compared(done, reference, reading.text)
    if kind == "pdf" and compared.recall is not None and compared.recall < WANTED[kind]:
        legible, illegible = _legible(reference)
        return _compared(replace(done, illegible=illegible), legible, reading.text)
    return compared


def _figure(path: str, kind: str, begun: float, outcome: Outcome, reason: str) -> Figure:
    return Figure(path, kind, outcome, round(time.perf_counter() - begun, 2), reason)


def _reference(path: Path, kind: str) -> str | None:
    make = _REFERENCES.get(kind)
    if make is None or (kind == "pdf" and shutil.which("pdftotext") is None):
        return None
    return make(path)


def _compared(figure: Figure, reference: str, found: str) -> Figure:
    if visible_text.words(reference).total() < MIN_WORDS:
        return figure
    shares = visible_text.recall(reference, found)
    return replace(figure, words=round(shares.words, 4), recall=round(shares.better, 4))


def _legible(reference: str) -> tuple[str, int]:
    """Return the pages of a reference that have words, and how many have none."""
    pages = reference.split("\f")
    doubts = (is_implausible, visible_text.is_torn, visible_text.is_mojibake)
    legible = [page for page in pages if not any(doubt(page) for doubt in doubts)]
    return "\f".join(legible), len(pages) - len(legible)


def report(figures: Iterable[Figure]) -> Iterator[str]:
    """Yield the lines to print: a table with one row for each kind, then the files that deserve a look."""
    by_kind: dict[str, list[Figure]] = defaultdict(list)
    for figure in figures:
        by_kind[figure.kind].append(figure)
    yield "kind      files   read  refused  killed  crashed  compared   words  below"
    for kind in sorted(by_kind):
        yield _row(kind, by_kind[kind])
    for kind in sorted(by_kind):
        yield from _details(kind, by_kind[kind])


def _row(kind: str, figures: Sequence[Figure]) -> str:
    outcomes = Counter(figure.outcome for figure in figures)
    shares = [figure.words for figure in figures if figure.words is not None]
    mean = f"{sum(shares) / len(shares):.1%}" if shares else "-"
    below = f"{len(_below(kind, figures))} below {WANTED[kind]}" if shares and kind in WANTED else "-"
    return (
        f"{kind:8}{len(figures):7}{outcomes['read']:7}{outcomes['refused']:9}{outcomes['killed']:8}"
        f"{outcomes['crashed']:9}{len(shares):10}{mean:>8}  {below}"
    )


def _below(kind: str, figures: Iterable[Figure]) -> list[Figure]:
    found = [figure for figure in figures if figure.recall is not None and figure.recall < WANTED.get(kind, 0)]
    return sorted(found, key=lambda figure: figure.recall or 0)


def _details(kind: str, figures: Sequence[Figure]) -> Iterator[str]:
    if below := _below(kind, figures):
        yield f"\n{kind}: files with fewer words than wanted"
        yield from (f"  {figure.recall:.3f}  {figure.path}" for figure in below)
    if illegible := [figure for figure in figures if figure.illegible]:
        alone = sum(figure.recall is None for figure in illegible)
        yield f"\n{kind}: pages not compared, as the reference has no words there; {alone} files have no other pages"
        yield from (f"  {figure.illegible:5}  {figure.path}" for figure in illegible)
    for outcome in ("refused", "killed", "crashed"):
        chosen = sorted((figure for figure in figures if figure.outcome == outcome), key=lambda each: each.reason)
        if not chosen:
            continue
        codes = Counter(figure.reason.partition(":")[0] for figure in chosen)
        yield f"\n{kind}: {outcome} ({', '.join(f'{count} {code}' for code, count in codes.most_common())})"
        yield from (f"  {figure.path}: {figure.reason}" for figure in chosen)


def _arguments(given: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="all documents below it are read")
    parser.add_argument("--kinds", help="only these, for example pdf,docx", type=lambda text: text.split(","))
    parser.add_argument("--no-ocr", action="store_true", help="read no pictures of text; this is much faster")
    parser.add_argument("--memory-mb", type=int, default=ReaderLimits().memory_mb, help="the limit for one file")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many files at a time")
    parser.add_argument("--details", type=Path, help="write one JSON object for each file here")
    return parser.parse_args(given)


def main(given: Sequence[str]) -> int:
    """Print the figures. Return 1 if a file was killed or crashed the reader, 2 if there is nothing to read."""
    arguments = _arguments(given)
    found = list(documents(arguments.folder, arguments.kinds))
    if not found:
        print(f"{arguments.folder} has no documents", file=sys.stderr)
        return 2
    if shutil.which("pdftotext") is None:
        print("pdftotext is not installed (Debian: poppler-utils): PDFs are read, but not compared", file=sys.stderr)
    limits = ReaderLimits(memory_mb=arguments.memory_mb)
    reader = DocumentReader(limits, ocr=None if arguments.no_ocr else "tesseract")
    with ThreadPoolExecutor(arguments.processes) as threads:
        figures = list(threads.map(lambda document: measure(arguments.folder, document, reader), found))
    print("\n".join(report(figures)))
    if arguments.details:
        lines = (json.dumps(asdict(figure)) + "\n" for figure in figures)
        arguments.details.write_text("".join(lines), encoding="utf-8")
    return int(any(figure.outcome in {"killed", "crashed"} for figure in figures))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
