"""Decides what the text of a page is: its text layer, what OCR read, or both."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from document_reader.pdf import trust

# Below this confidence a person must look at the page.
_DOUBTFUL = 0.4
# So much of a doubted text must OCR find again to confirm it: the whole text may be wrong, or words of it.
ALL_WRONG, SOME_WRONG = 0.4, 0.85
# The confidence of OCR that replaces an implausible text layer, and of a line that is added to a page of text.
_MIN_PAGE, _MIN_LINE = 0.5, 0.6
# OCR may confirm a text layer that looked wrong.
_CONFIRMED = 0.95


@dataclass(frozen=True)
class PageText:
    """The text of a page, where it is from, and how far it can be trusted, 0 to 1."""

    text: str
    source: Literal["text", "ocr"]
    confidence: float


@dataclass(frozen=True)
class Layer:
    """What the text layer of a page gives.

    `kept` is trusted, with `confidence`. `doubted` may be wrong: OCR confirms it if it finds the share `enough` of its
    words. `is_scan`: most of the page is a picture, so OCR is not looking for a few words in an illustration. `pieces`:
    the layer lacks text of which so many pieces are drawn. A text with fewer characters is not complete.
    """

    kept: str = ""
    doubted: str = ""
    confidence: float = 1.0
    is_scan: bool = True
    enough: float = ALL_WRONG
    pieces: int = 0

    @classmethod
    def of(cls, given: dict[str, Any]) -> "Layer":
        """Return the layer from the result of `as_dict`."""
        return cls(**given)

    def as_dict(self) -> dict[str, Any]:
        """Return the layer for the program's answer."""
        return asdict(self)

    @property
    def whole(self) -> str:
        """All its text."""
        return "\n".join(filter(None, (self.kept, self.doubted)))


def settled(layer: Layer, text: str, confidence: float, *, merged: str | None = None) -> PageText:
    """Return the page's text from its layer and from what OCR read in the rest of the page.

    `merged` is the OCR's text between the kept lines, each at its place. Without it, OCR's text follows the kept text.
    """
    if not text.strip():
        return PageText(layer.whole, "text", _unread(layer)) if layer.whole else PageText("", "ocr", 0.0)
    if _printable(layer.doubted) and trust.agreement(layer.doubted, text) >= layer.enough:
        return PageText(layer.whole, "text", min(layer.confidence, _CONFIRMED))
    if _printable(layer.doubted) and confidence < _MIN_PAGE:
        return PageText(layer.whole, "text", min(_DOUBTFUL, layer.confidence))
    together = "\n".join(filter(None, (layer.kept, text))) if merged is None else merged
    if sum(not each.isspace() for each in together) < layer.pieces:
        confidence = min(confidence, _DOUBTFUL)
    return PageText(together, "ocr", min(layer.confidence, confidence) if layer.kept else confidence)


def unread(layer: Layer) -> PageText:
    """Return the page's text if there is no OCR."""
    confidence = _unread(layer)
    return PageText(layer.whole, "text", 0.0 if layer.is_scan and not layer.doubted else confidence)


def woven(kept: Sequence[tuple[float, str]], found: Sequence[tuple[float, str]]) -> str:
    """Return two sequences of lines as one text, by the distance of each line from the top of the page.

    If the kept lines do not go down the page (columns), the others follow them.
    """
    heights = [top for top, _ in kept]
    if heights != sorted(heights):
        return "\n".join(text for _, text in (*kept, *found))
    lines: list[str] = []
    rest = list(kept)
    for top, text in found:
        while rest and rest[0][0] <= top:
            lines.append(rest.pop(0)[1])
        lines.append(text)
    return "\n".join(lines + [text for _, text in rest])


def legible(lines: Sequence[Any], *, is_scan: bool) -> list[Any]:
    """Return the lines of OCR that belong to the page's text.

    Beside a text layer, OCR also looks at photographs and drawings, where it reads nonsense with a low confidence.
    """
    if is_scan:
        return list(lines)
    return [line for line in lines if line.confidence >= _MIN_LINE and sum(map(str.isalnum, line.text)) > 1]


def _unread(layer: Layer) -> float:
    return min(_DOUBTFUL, layer.confidence) if layer.doubted else layer.confidence


def _printable(text: str) -> bool:
    """Tell whether there is text, and most of it is letters and digits, not signs for unknown characters."""
    shown = [each for each in text if not each.isspace()]
    return 2 * sum(each.isalnum() for each in shown) > len(shown)
