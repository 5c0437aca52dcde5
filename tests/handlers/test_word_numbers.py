"""The automatic numbers of Word's paragraphs: levels, formats, starts, restarts, and lists that a style brings."""

import pytest

from document_reader.word.numerals import numeral
from tests.handlers.office_xml import paragraph, run, word_file, word_text


def level(at: int, text: str, style: str = "decimal", *, start: int = 1, more: str = "", properties: str = "") -> str:
    return (
        f'<w:lvl w:ilvl="{at}"><w:start w:val="{start}"/><w:numFmt w:val="{style}"/>{more}<w:lvlText w:val="{text}"/>'
        f"{properties}</w:lvl>"
    )


OUTLINE = level(0, "%1.") + level(1, "%1.%2", "lowerLetter") + level(2, "(%3)", "lowerRoman")


CUSTOM = (
    '<w:lvl w:ilvl="0"><w:start w:val="7"/><mc:AlternateContent><mc:Choice Requires="w14"><w:numFmt w:val="custom" '
    'w:format="001, 002, 003, ..."/></mc:Choice><mc:Fallback><w:numFmt w:val="decimal"/></mc:Fallback>'
    '</mc:AlternateContent><w:lvlText w:val="%1"/></w:lvl>'
)


def definitions(*abstract: str, lists: str = "") -> str:
    made = "".join(f'<w:abstractNum w:abstractNumId="{at}">{each}</w:abstractNum>' for at, each in enumerate(abstract))
    usual = "".join(f'<w:num w:numId="{at + 1}"><w:abstractNumId w:val="{at}"/></w:num>' for at in range(len(abstract)))
    return made + usual + lists


def item(text: str, at: int = 0, number: int = 1, more: str = "") -> str:
    return paragraph(
        run(text) if text else "<w:r/>", f'{more}<w:numPr><w:ilvl w:val="{at}"/><w:numId w:val="{number}"/></w:numPr>'
    )


def lines(body: str, numbering: str, styles: str = "") -> list[str]:
    return word_text(word_file(body, others={"numbering": numbering, "styles": styles})).split("\n")


def test_levels_count_and_restart_below_a_higher_one() -> None:
    places = [0, 1, 1, 2, 0, 1, 2, 2]
    body = "".join(item("x", at) for at in places)
    assert lines(body, definitions(OUTLINE)) == [
        "1. x", "1.a x", "1.b x", "(i) x", "2. x", "2.a x", "(i) x", "(ii) x",
    ]  # fmt: skip


def test_a_level_can_go_on_counting_and_can_be_written_in_decimals() -> None:
    outline = level(0, "%1", "upperRoman") + level(1, "%1.%2", more='<w:lvlRestart w:val="0"/><w:isLgl/>')
    body = "".join(item("x", at) for at in (0, 1, 0, 1))
    assert lines(body, definitions(outline)) == ["I x", "1.1 x", "II x", "2.2 x"]


def test_lists_of_one_definition_count_on_and_an_override_starts_again() -> None:
    more = (
        '<w:num w:numId="7"><w:abstractNumId w:val="0"/></w:num>'
        '<w:num w:numId="8"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0"><w:startOverride w:val="5"/>'
        "</w:lvlOverride></w:num>"
        f'<w:num w:numId="9"><w:abstractNumId w:val="0"/><w:lvlOverride w:ilvl="0">{level(0, "%1)", "upperLetter")}'
        "</w:lvlOverride></w:num>"
    )
    body = "".join(item("x", 0, number) for number in (1, 1, 7, 8, 8, 7, 9))
    assert lines(body, definitions(OUTLINE, lists=more)) == ["1. x", "2. x", "3. x", "5. x", "6. x", "7. x", "H) x"]


def test_a_style_brings_its_list_and_its_level() -> None:
    styles = (
        '<w:style w:type="paragraph" w:styleId="H1"><w:pPr><w:numPr><w:numId w:val="1"/></w:numPr></w:pPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="H2"><w:basedOn w:val="H1"/><w:pPr><w:numPr><w:ilvl w:val="1"/>'
        "</w:numPr></w:pPr></w:style>"
        '<w:style w:type="paragraph" w:styleId="Plain"><w:basedOn w:val="H1"/><w:pPr><w:numPr><w:numId w:val="0"/>'
        "</w:numPr></w:pPr></w:style>"
        '<w:style w:type="numbering" w:styleId="Legal"><w:pPr><w:numPr><w:numId w:val="3"/></w:numPr></w:pPr></w:style>'
    )
    outline = level(0, "%1", more='<w:pStyle w:val="H1"/>') + level(1, "%1.%2", more='<w:pStyle w:val="H2"/>')
    linked = '<w:numStyleLink w:val="Legal"/>'
    numbering = definitions(outline, linked, level(0, "Article %1:") + '<w:styleLink w:val="Legal"/>')
    body = "".join(paragraph(run("x"), f'<w:pStyle w:val="{style}"/>') for style in ("H1", "H2", "Plain", "H2", "H1"))
    assert lines(body + item("x", 0, 2), numbering, styles) == ["1 x", "1.1 x", "x", "1.2 x", "2 x", "Article 1: x"]


@pytest.mark.parametrize(
    ("definition", "shown"),
    [
        (level(0, "\uf0b7", "bullet", properties='<w:rPr><w:rFonts w:ascii="Symbol"/></w:rPr>'), "• x"),
        (level(0, "\uf0a7", "bullet", properties='<w:rPr><w:rFonts w:ascii="Wingdings"/></w:rPr>'), "▪ x"),
        (level(0, "o", "bullet", properties='<w:rPr><w:rFonts w:ascii="Courier New"/></w:rPr>'), "◦ x"),
        (level(0, "-", "bullet"), "- x"),
        (level(0, "", "none"), "x"),
        (level(0, "§%1", more='<w:suff w:val="nothing"/>'), "§1x"),
        (level(0, "%1.", start=4), "4. x"),
        (CUSTOM, "007 x"),
    ],
)  # fmt: skip
def test_bullets_and_other_texts_of_a_level(definition: str, shown: str) -> None:
    assert lines(item("x"), definitions(definition)) == [shown]


def test_an_empty_paragraph_counts_and_a_deleted_one_does_not() -> None:
    deleted = item("", more="<w:rPr><w:del/></w:rPr>")
    assert lines(item("x") + item("") + deleted + item("x"), definitions(OUTLINE)) == ["1. x", "2.", "3. x"]


def test_a_damaged_or_unknown_list_gives_no_number() -> None:
    assert lines(item("x", 0, 99) + item("y", 12), definitions(level(0, "%1."))) == ["x", "y"]
    assert lines(item("x"), definitions('<w:numStyleLink w:val="missing"/>')) == ["x"]


@pytest.mark.parametrize(
    ("style", "numbers"),
    [
        ("decimal", {0: "0", 12: "12"}),
        ("decimalZero", {7: "07", 12: "12"}),
        ("lowerLetter", {1: "a", 26: "z", 27: "aa", 28: "bb", 53: "aaa"}),
        ("upperRoman", {4: "IV", 1994: "MCMXCIV"}),
        ("lowerRoman", {9: "ix", 40: "xl"}),
        ("ordinal", {1: "1st", 2: "2nd", 3: "3rd", 11: "11th", 21: "21st", 112: "112th"}),
        ("cardinalText", {1: "One", 21: "Twenty-one", 115: "One hundred fifteen", 2000: "Two thousand"}),
        ("ordinalText", {1: "First", 8: "Eighth", 20: "Twentieth", 21: "Twenty-first", 112: "One hundred twelfth"}),
        ("hex", {255: "FF"}),
        ("chicago", {1: "*", 2: "†", 5: "**"}),
        ("numberInDash", {3: "- 3 -"}),
        ("decimalEnclosedCircle", {1: "①", 20: "⑳", 21: "21"}),
        ("japaneseCounting", {1: "一", 10: "十", 21: "二十一", 105: "一百零五"}),
        ("ganada", {1: "가", 14: "하"}),
        ("hindiNumbers", {12: "१२"}),
        ("none", {1: ""}),
        ("unknown", {5: "5"}),
    ],
)  # fmt: skip
def test_numbers_are_written_in_words_formats(style: str, numbers: dict[int, str]) -> None:
    assert {number: numeral(number, style) for number in numbers} == numbers
