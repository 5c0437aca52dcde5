"""Lines are told apart as a reader tells them apart: title, heading, bullet, label, sentence."""

import pytest

from cloud.stand_in.reading import AdmissionWrite, Document, clipped, sentences, stem


def shape(text: str) -> list[tuple[str, list[str]]]:
    """Return each heading with what stands under it."""
    return [(group.heading, group.items) for group in Document(text).groups if group.passages]


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("REQUEST FOR PROPOSALS\nDigital Archive\nRFP No. 4", "Digital Archive"),
        ("Request for Proposals: Digital Archive", "Digital Archive"),
        ("# Call for Proposals\n\nDigital Archive", "Digital Archive"),
        ("RFP\nReference: 4\nDigital Archive", "Digital Archive"),
        ("Request for Proposals", "Request for Proposals"),
        ("", ""),
    ],
)
def test_a_title_says_more_than_the_kind_of_document(text: str, title: str) -> None:
    assert Document(text).title == title


@pytest.mark.parametrize("heading", ["3. Who may apply", "# Who may apply", "WHO MAY APPLY", "Who may apply"])
def test_headings_of_every_style_are_found(heading: str) -> None:
    assert shape(f"We begin.\n\n{heading}\nAnyone may apply to the fund.") == [
        ("", ["We begin."]),
        ("WHO MAY APPLY" if heading.isupper() else "Who may apply", ["Anyone may apply to the fund."]),
    ]


def test_a_line_that_ends_in_a_colon_heads_its_list() -> None:
    text = "Works\n\nThe contractor shall:\n(a) dig;\n(b) fill.\n\nPrices are fixed for the whole term."
    assert shape(text) == [("Works The contractor shall", ["dig;", "fill."])]


def test_wrapped_lines_are_joined_and_others_are_not() -> None:
    text = (
        "Needed\n\n- A letter of the head of the institution that is signed and sealed and\n  dated\n"
        "- Sample images\nIncomplete proposals are returned once to those who sent them, and then\nnever again."
    )
    [(heading, items)] = shape(text)
    assert heading == "Needed"
    assert items == [
        "A letter of the head of the institution that is signed and sealed and dated",
        "Sample images",
    ]
    assert Document(text).passages[-1].text.endswith("and then never again.")


@pytest.mark.parametrize(
    ("line", "label", "value"),
    [
        ("Deadline: 15 March 2027", "Deadline", "15 March 2027"),
        ("Deadline ........ 15 March 2027", "Deadline", "15 March 2027"),
        ("Deadline | noon", "Deadline", "noon"),
        ("Site visit      22 September 2027", "Site visit", "22 September 2027"),
        ("Site visit 22 September 2027", "Site visit", "22 September 2027"),
        ("Maximum award USD 20,000", "Maximum award", "USD 20,000"),
    ],
)
def test_a_label_and_its_value_are_told_apart(line: str, label: str, value: str) -> None:
    assert Document(line).passages == [AdmissionWrite(value, label=label)]


@pytest.mark.parametrize("line", ["We must have them by 15 March 2027", "See https://a.example/b for more of it."])
def test_a_sentence_has_no_label(line: str) -> None:
    assert Document(line).passages[0].label == ""


def test_page_numbers_and_running_heads_are_left_out() -> None:
    pages = "".join(f"\nHarbour Museum\nText number {page} is here.\nPage {page} of 4\n" for page in range(1, 5))
    words = Document(pages).text.split()
    assert "Page" in words
    found = " ".join(admission_write.text for admission_write in Document(pages).passages)
    assert "Page" not in found
    assert found.count("Harbour Museum") <= 1


def test_sentences_end_where_a_reader_ends_them() -> None:
    assert sentences("Ask Dr. Holm at No. 4. She knows it. \u201cTruly?\u201d Yes.") == [
        "Ask Dr. Holm at No. 4.",
        "She knows it.",
        "\u201cTruly?\u201d",
        "Yes.",
    ]


@pytest.mark.parametrize(
    "family",
    [
        "eligible eligibility",
        "submit submitted submits",
        "proposal proposals proposed",
        "city cities",
        "evaluate evaluation",
    ],
)
def test_words_of_a_family_have_one_stem(family: str) -> None:
    assert len({stem(word) for word in family.split()}) == 1


def test_a_clipped_text_ends_at_a_word() -> None:
    assert clipped("one two three", 9) == "one two\u2026"
    assert clipped("one two", 9) == "one two"
