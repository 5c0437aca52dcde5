"""The names in the XML of Word and Excel (ECMA-376, part 1), and how Word's attributes are read."""

from xml.etree.ElementTree import Element

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
W14 = "{http://schemas.microsoft.com/office/word/2010/wordml}"
M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
R = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
V = "{urn:schemas-microsoft-com:vml}"
A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
CHART = "{http://schemas.openxmlformats.org/drawingml/2006/chart}"
DIAGRAM = "{http://schemas.openxmlformats.org/drawingml/2006/diagram}"

# Deleted text, properties, and the instructions of fields: none of them is shown.
_HIDDEN = (
    "del", "moveFrom", "delText", "instrText", "delInstrText", "pPr", "rPr", "sectPr", "tblPr", "tblPrEx", "tblGrid",
    "trPr", "tcPr", "sdtPr", "sdtEndPr", "customXmlPr", "smartTagPr", "ffData", "rubyPr",
)  # fmt: skip
NOT_TEXT = frozenset(f"{W}{name}" for name in _HIDDEN)

_OFF = frozenset({"0", "false", "off"})


def value(element: Element | None, path: str = "") -> str | None:
    """Return the attribute `w:val` of the element, or of its descendant at a path such as `pPr/numPr/ilvl`."""
    if element is None:
        return None
    found = element.find("/".join(f"{W}{step}" for step in path.split("/"))) if path else element
    return None if found is None else found.get(f"{W}val")


def number(text: str | None) -> int | None:
    """Return an integer attribute, or None if it is missing or is not an integer."""
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def switch(element: Element | None, path: str) -> bool | None:
    """Return an on/off property such as `rPr/vanish`, or None if it is missing. Without a value it is on."""
    found = None if element is None else element.find("/".join(f"{W}{step}" for step in path.split("/")))
    return None if found is None else (found.get(f"{W}val") or found.get(f"{W14}val") or "1").lower() not in _OFF
