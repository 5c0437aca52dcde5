"""Values of form fields, FreeText, stamps and comments become text, each at its place."""

import pytest

from analysis_jobs import Fail
from analysis_jobs.documents.reader import DocumentReader
from tests.handlers.office import stream
from tests.handlers.pdf_pages import page, typed

LABELS = ("Name of applicant:", "Amount asked for:", "Region:", "Confirmed:")
FIELDS = (
    b"<</Type/Annot/Subtype/Widget/FT/Tx/T(name)/V(Harbour Museum)/Rect[200 715 400 735]>>",
    b"<</Type/Annot/Subtype/Widget/FT/Tx/T(amount)/V<FEFF00370035002C003000300030002020AC>/Rect[200 695 400 715]>>",
    b"<</Type/Annot/Subtype/Widget/FT/Ch/Ff 131072/T(region)/Opt[[(n)(No)][(s)(South)]]/V(s)/Rect[200 675 300 695]>>",
    b"<</Type/Annot/Subtype/Widget/FT/Btn/T(yes)/V/On/AS/On/Rect[200 655 220 675]/AP<</N<</On 14 0 R/Off 14 0 R>>>>>>",
    b"<</Type/Annot/Subtype/Widget/FT/Btn/T(no)/V/Off/AS/Off/Rect[300 655 320 675]/AP<</N<</On 14 0 R/Off 14 0 R>>>>>>",
    b"<</Type/Annot/Subtype/Widget/FT/Tx/Ff 8192/T(secret)/V(hunter2)/Rect[200 635 400 655]>>",
    b"<</Type/Annot/Subtype/Widget/FT/Tx/F 2/T(hidden)/V(not shown)/Rect[200 615 400 635]>>",
)
NOTES = (
    b"<</Type/Annot/Subtype/FreeText/Contents(Approved on 3 March)/Rect[60 640 300 660]/DA(/F1 12 Tf)>>",
    b"<</Type/Annot/Subtype/Text/Contents(Ask the treasurer)/Rect[500 700 520 720]>>",
    b"<</Type/Annot/Subtype/Highlight/Contents(Region:)/Rect[60 675 99 695]/QuadPoints[60 695 99 695 60 675 99 675]>>",
    b"<</Type/Annot/Subtype/Text/F 2/Contents(deleted)/Rect[500 700 520 720]>>",
    b"<</Type/Annot/Subtype/Stamp/Rect[300 500 420 520]/AP<</N 14 0 R>>>>",
    b"<</Type/Annot/Subtype/Link/Contents(a link)/Rect[60 400 100 420]>>",
)
FONT = b"/Resources<</Font<</F1<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>"
STAMP = stream(b"BT /F1 12 Tf 1 0 0 1 4 4 Tm (RECEIVED) Tj ET", b"/Type/XObject/Subtype/Form/BBox[0 0 120 20]" + FONT)
NOTHING = stream(b"", b"/Type/XObject/Subtype/Form/BBox[0 0 20 20]")


def _read(content: bytes) -> str:
    return DocumentReader(ocr=None).read(content, "form.pdf", lambda: None).text


def _annotated(
    lines: tuple[str, ...], annotations: tuple[bytes, ...], form: bytes = b"", last: bytes = NOTHING
) -> bytes:
    """Return a page with these annotations, as objects 5 to 13. Object 14 is an appearance."""
    padded = [*annotations, *[b"null"] * (9 - len(annotations))]
    numbers = b" ".join(b"%d 0 R" % (5 + number) for number in range(len(annotations)))
    catalog = b"/AcroForm<</Fields[%s]%s>>" % (numbers, form) if form else b""
    return typed(lines, b"/Annots[%s]" % numbers, catalog, *padded, last)


def test_the_values_of_a_form_stand_beside_their_labels() -> None:
    content = _annotated(LABELS, FIELDS, b"/NeedAppearances true")
    assert _read(content).split("\n") == [
        "Name of applicant: Harbour Museum",
        "Amount asked for: 75,000 €",
        "Region: South",
        "Confirmed: [x]  [ ]",
    ]


def test_a_check_box_stands_before_its_label() -> None:
    line = b"BT /F1 12 Tf 1 0 0 1 90 660 Tm (I agree to the rules) Tj ET"
    box = b"<</Type/Annot/Subtype/Widget/FT/Btn/T(a)/V/On/AS/On/Rect[60 655 80 675]/AP<</N<</On 14 0 R/Off 14 0 R>>>>>>"
    padded = [box, *[b"null"] * 8, NOTHING]
    content = page(line, b"/Annots[5 0 R]", b"/AcroForm<</Fields[5 0 R]>>", *padded)
    assert _read(content) == "[x] I agree to the rules"


def test_a_page_of_fields_only_is_read() -> None:
    assert _read(_annotated((), FIELDS[:2], b"/NeedAppearances true")).split("\n") == ["Harbour Museum", "75,000 €"]


def test_notes_and_stamps_are_read_once_and_hidden_ones_are_not() -> None:
    text = _read(_annotated(LABELS, NOTES, last=STAMP))
    assert text.split("\n") == [*LABELS, "Approved on 3 March", "RECEIVED", "Ask the treasurer"]


@pytest.mark.parametrize("rendering", [b"", b"/NeedsRendering true"])
def test_a_form_in_xfa_only_is_refused_by_name(rendering: bytes) -> None:
    packets = stream(b"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'/>")
    content = typed(("Please wait...",), b"", b"/AcroForm<</Fields[]/XFA 5 0 R>>" + rendering, packets)
    with pytest.raises(Fail, match=r"document_xfa: form\.pdf is an XFA form"):
        _read(content)


def test_a_form_with_xfa_and_with_fields_is_read() -> None:
    content = _annotated(LABELS[:1], FIELDS[:1], b"/XFA 14 0 R", last=stream(b"<xdp/>"))
    assert _read(content) == "Name of applicant: Harbour Museum"
