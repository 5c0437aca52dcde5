"""Names of persons and organisations, found by the words around them."""

import re
from typing import Final

from cloud.stand_in.reading import Document

_NAME = r"(?P<name>[A-Z][\w&.'\u2019-]*(?:\s+(?:(?:of|for|and|the|de|du|la)\s+)*[A-Z&][\w&.'\u2019-]*)*)"
_INVITES = (
    "invites|is inviting|seeks|is seeking|requests|is requesting|announces|solicits|is soliciting|wishes|intends"
    "|is pleased|certifies|has awarded|will award"
)
_ISSUED = "issued|published|prepared|offered|organised|organized|funded|awarded"
_ORGANISATIONS: Final = tuple(
    re.compile(pattern)
    for pattern in (
        rf"^(?:The\s+)?(?!This|It|We){_NAME}(?:\s*\([^)]*\))?,?\s+(?:hereby\s+)?(?:{_INVITES})\b",
        rf"(?:(?i:{_ISSUED})) by:?\s+(?:the\s+)?{_NAME}",
    )
)
_KIND_OF_ORGANISATION = re.compile(
    r"\b(?:Agency|Association|Authority|Bank|Board|Bureau|Center|Centre|College|Commission|Council|County|Department|Foundation"
    r"|Fund|Group|Inc|Institute|Ltd|Ministry|Municipality|Museum|Office|Society|Trust|University)\b",
)
_PERSON = r"(?P<name>(?:(?:Dr|Mr|Ms|Mrs|Prof)\.?\s+)?[A-Z][\w'\u2019-]+(?:\s+[A-Z]\.)?(?:\s+[A-Z][\w'\u2019-]+){1,2})"
_CONTACT = re.compile(
    rf"\b(?:[Cc]ontact(?: person)?|[Aa]ttention|[Aa]ttn\.?|to|by)[:,]?\s+{_PERSON}(?=,|\s+at\b|\s*[(<;.]|\s*$)"
)
_RECIPIENT = re.compile(rf"(?:certif(?:y|ies) that|(?:awarded|presented|granted|issued) to)\s+{_PERSON}")


def issuer(document: Document) -> str:
    """Return who says that they issue the document or invite others; else the first line that names an organisation."""
    texts = [admission_write.text for admission_write in document.passages]
    for pattern in _ORGANISATIONS:
        for text in texts:
            if found := pattern.search(text):
                return found["name"].rstrip(".,")
    heads = [line.strip() for line in document.lines if line.strip()][:6]
    return next((line for line in heads if len(line) < 80 and _KIND_OF_ORGANISATION.search(line)), "")  # noqa: PLR2004


def contact(document: Document) -> str:
    """Return the person to write to, named before a comma, an address or the end of a sentence."""
    return _first(_CONTACT, document)


def recipient(document: Document) -> str:
    """Return the person to whom a certificate or an award was given."""
    return _first(_RECIPIENT, document)


def _first(pattern: re.Pattern[str], document: Document) -> str:
    names = (match["name"] for admission_write in document.passages for match in pattern.finditer(admission_write.text))
    return next((name for name in names if not _KIND_OF_ORGANISATION.search(name)), "")
