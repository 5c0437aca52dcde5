"""Real kinds of Word and Excel files that were read wrong once. The files are not part of this repository."""

import pytest

from analysis_jobs.documents.reader import DocumentReader
from tests.handlers.pdfs import REPOSITORY

CASES = REPOSITORY.parent / "shared" / "cases"
MERGED = "Merged down\tr0\n" + "\n".join(f"\tr{number}" for number in range(1, 1_200))
TEXTS = {
    "10-docx-tracked-insertions/tracked.docx": (
        "The grant is at most 75,000 euro.\nDeadline: 30 June 2027.\nMoved here."
    ),
    "11-docx-content-controls/sdt.docx": (
        "Applicant form\nTitle in a cover page control\nName: Harbour Museum\nAmount\t12,500"
    ),
    "12-docx-wrapped-runs/box.docx": "Name\tJo\nFee",
    "12-docx-wrapped-runs/fields.docx": "Ref: RF-2041 in Rotterdam",
    "14-docx-word-online/document2.docx": "Made with Word Online",
    "15-docx-dangling-relationship/nullrel.docx": "Fine text",
    "16-docx-table-merges/vmerge-1200.docx": MERGED,
    "16-docx-table-merges/vmerge-first.docx": "Year\t2027",
    "18-xlsx-one-bad-part/badcolour.xlsx": "Sheet\nItem\tAmount\nLamp\t12.5",
    "18-xlsx-one-bad-part/emptyfill.xlsx": "Sheet\nItem\tAmount\nLamp\t12.5",
    "19-xlsx-array-formula/array.xlsx": "Budget\n=SUM(B1:B2)",
}


@pytest.mark.skipif(not CASES.exists(), reason="the shared cases are not beside this repository")
@pytest.mark.parametrize(("path", "text"), TEXTS.items(), ids=TEXTS)
def test_a_file_that_was_read_wrong_is_read_right(path: str, text: str) -> None:
    file = CASES / path
    assert DocumentReader().read(file.read_bytes(), file.name, lambda: None).text == text
