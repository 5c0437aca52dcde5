"""The text that Word shows, whatever wraps it and wherever it is. Deleted and hidden text is not text."""

import pytest

from document_reader.task import UnreadableError
from tests.handlers.office_xml import (
    OPEN,
    STRICT,
    cell,
    element,
    package,
    paragraph,
    row,
    run,
    table,
    word_file,
    word_text,
)

BOX = "<w:pict><v:shape><v:textbox><w:txbxContent>{}</w:txbxContent></v:textbox></v:shape></w:pict>"
BEGIN, SEPARATE, END = (f'<w:r><w:fldChar w:fldCharType="{kind}"/></w:r>' for kind in ("begin", "separate", "end"))


def instruction(text: str) -> str:
    return f"<w:r><w:instrText>{text}</w:instrText></w:r>"


def field(code: str, result: str) -> str:
    return f"{BEGIN}{instruction(code)}{SEPARATE}{result}{END}"


def shown(content: str, **parts: str) -> str:
    body = content if content.startswith(("<w:p>", "<w:tbl>")) else paragraph(content)
    return word_text(word_file(body, others=parts))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (f"{run('at most ')}<w:del>{run('50')}</w:del><w:ins>{run('75')}</w:ins>{run(' euro')}", "at most 75 euro"),
        (f"<w:moveFrom>{run('old place')}</w:moveFrom><w:moveTo>{run('new place')}</w:moveTo>", "new place"),
        (f"<w:ins><w:del>{run('typed and deleted')}</w:del></w:ins>{run('kept')}", "kept"),
        (f"<w:hyperlink>{run('a link')}</w:hyperlink>", "a link"),
        (f'<w:smartTag w:element="City"><w:smartTagPr/>{run("Rotterdam")}</w:smartTag>', "Rotterdam"),
        (f'<w:customXml w:element="x"><w:customXmlPr/>{run("custom")}</w:customXml>', "custom"),
        (f'<w:sdt><w:sdtPr><w:alias w:val="no"/></w:sdtPr><w:sdtContent>{run("yes")}</w:sdtContent></w:sdt>', "yes"),
        (f'<w:bdo w:val="rtl">{run("abc")}</w:bdo><w:dir w:val="rtl">{run("שלום")}</w:dir>', "abcשלום"),  # noqa: RUF001 - Hebrew is meant
        (f'<w:fldSimple w:instr=" MERGEFIELD Ref ">{run("RF-2041")}</w:fldSimple>', "RF-2041"),
        (field("REF a", run("page 7")), "page 7"),
        (field(f"IF {field('MERGEFIELD a', run('hidden'))} = 1", run("shown")), "shown"),
        (f"{BEGIN}{instruction('XE word')}{END}{run('after')}", "after"),
        (f"{run('before')}{BEGIN}{instruction('broken')}{run(' and after')}", "before and after"),
        (f"{BEGIN}{instruction('MACROBUTTON NoMacro [Click here]')}{END}", "[Click here]"),
        (
            f"<w:r><w:ruby><w:rubyPr/><w:rt>{run('とうきょう')}</w:rt><w:rubyBase>{run('東京')}</w:rubyBase></w:ruby></w:r>",
            "東京(とうきょう)",
        ),
        ("<w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t><w:noBreakHyphen/><w:t>d</w:t></w:r>", "a\tb\nc-d"),
        ('<w:r><w:sym w:font="Wingdings" w:char="F0FE"/><w:sym w:font="Symbol" w:char="F061"/></w:r>', "☑α"),  # noqa: RUF001 - alpha
        (run("\uf0fc done", '<w:rFonts w:ascii="Wingdings"/>'), "✓ done"),
        (f"<later:wrapper>{run('in an unknown wrapper')}</later:wrapper>", "in an unknown wrapper"),
    ],
)  # fmt: skip
def test_text_is_read_in_every_wrapper(content: str, text: str) -> None:
    assert shown(content) == text


@pytest.mark.parametrize(
    ("form", "mark"),
    [
        ("<w:checkBox><w:checked/></w:checkBox>", "☒"),
        ('<w:checkBox><w:default w:val="1"/><w:checked w:val="0"/></w:checkBox>', "☐"),
        ('<w:checkBox><w:default w:val="1"/></w:checkBox>', "☒"),
        ('<w:ddList><w:result w:val="1"/><w:listEntry w:val="red"/><w:listEntry w:val="blue"/></w:ddList>', "blue"),
    ],
)  # fmt: skip
def test_a_form_field_is_shown_as_its_mark_or_choice(form: str, mark: str) -> None:
    begin = f'<w:r><w:fldChar w:fldCharType="begin"><w:ffData>{form}</w:ffData></w:fldChar></w:r>'
    assert shown(f"{begin}{instruction('FORM')}{END}{run(' Yes')}") == f"{mark} Yes"


def test_a_check_box_control_has_the_mark_of_its_content_or_one_for_its_state() -> None:
    def box(content: str) -> str:
        checked = '<w14:checkbox><w14:checked w14:val="1"/></w14:checkbox>'
        return f"<w:sdt><w:sdtPr>{checked}</w:sdtPr><w:sdtContent>{content}</w:sdtContent></w:sdt>"

    assert shown(f"{box(run('☑'))}{box('')}") == "☑☒"


def test_content_controls_around_blocks_rows_and_cells_are_read() -> None:
    def control(content: str) -> str:
        return f"<w:sdt><w:sdtPr/><w:sdtContent>{content}</w:sdtContent></w:sdt>"

    rows = control(row("Amount", control(cell("12,500"))))
    assert shown(f"{paragraph('first')}{control(paragraph('title'))}{table(rows)}") == "first\ntitle\nAmount\t12,500"


def test_only_one_branch_of_alternative_content_is_read() -> None:
    def alternatives(requires: str) -> str:
        choice = f'<mc:Choice Requires="{requires}">{run("choice")}</mc:Choice>'
        return f"<mc:AlternateContent>{choice}<mc:Fallback>{run('fallback')}</mc:Fallback></mc:AlternateContent>"

    assert shown(alternatives("wps")) == "choice"
    assert shown(alternatives("later")) == "fallback"


def test_hidden_text_is_not_text_unless_a_run_shows_it_again() -> None:
    styles = (
        '<w:style w:type="character" w:styleId="Secret"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Base"><w:rPr><w:vanish/></w:rPr></w:style>'
        '<w:style w:type="paragraph" w:styleId="Note"><w:basedOn w:val="Base"/></w:style>'
    )
    body = paragraph(
        run("a") + run("b", "<w:vanish/>") + run("c", '<w:rStyle w:val="Secret"/>') + run("d", "<w:webHidden/>")
    )
    body += paragraph(run("e") + run("f", '<w:vanish w:val="0"/>'), '<w:pStyle w:val="Note"/>')
    assert shown(body, styles=styles) == "ad\nf"


def test_a_paragraph_with_a_deleted_end_continues_in_the_next_one() -> None:
    deleted = paragraph(f"{run('The end of')}", "<w:rPr><w:del/></w:rPr>")
    gone = paragraph(f"<w:del>{run('deleted')}</w:del>", "<w:rPr><w:del/></w:rPr>")
    assert shown(f"{deleted}{gone}{paragraph(run(' this line.'))}") == "The end of this line."


# Places


def test_a_text_box_follows_its_paragraph_and_is_read_once() -> None:
    modern = "<w:drawing><wps:txbx><w:txbxContent>{}</w:txbxContent></wps:txbx></w:drawing>"
    inside = paragraph("<w:r><w:t>Name</w:t><w:tab/><w:t>Jo</w:t><w:br/><w:t>Fee</w:t></w:r>")
    both = (
        f'<mc:AlternateContent><mc:Choice Requires="wps">{modern.format(inside)}</mc:Choice>'
        f"<mc:Fallback>{BOX.format(inside)}</mc:Fallback></mc:AlternateContent>"
    )
    body = paragraph(f"{run('text')}<w:r>{both}</w:r>{run(' goes on')}") + paragraph("next")
    assert shown(body) == "text goes on\nName\tJo\nFee\nnext"
    assert shown(f"<w:r>{BOX.format(inside)}</w:r>") == "Name\tJo\nFee"


def test_word_art_and_text_in_drawings_are_read() -> None:
    art = '<w:r><w:pict><v:shape><v:textpath string="DRAFT"/></v:shape></w:pict></w:r>'
    shape = "<w:r><w:drawing><a:p><a:r><a:t>in a </a:t></a:r><a:r><a:t>shape</a:t></a:r></a:p></w:drawing></w:r>"
    assert shown(f"{art}{shape}") == "DRAFT\nin a shape"


def test_charts_and_diagrams_are_read_from_their_parts() -> None:
    body = paragraph('<w:r><w:drawing><c:chart r:id="chart"/><dgm:relIds r:dm="diagramData"/></w:drawing></w:r>')
    series = (
        "<c:ser><c:tx><c:v>Sales</c:v></c:tx><c:cat><c:v>May</c:v><c:v>June</c:v></c:cat>"
        "<c:val><c:v>4</c:v><c:v>5</c:v></c:val></c:ser>"
    )
    parts = {
        "word/chart.xml": element("x", f"<c:title><a:p><a:r><a:t>Year</a:t></a:r></a:p></c:title>{series}"),
        "word/data.xml": element("x", "<dgm:pt><a:p><a:r><a:t>Step one</a:t></a:r></a:p></dgm:pt>"),
    }
    content = word_file(body, parts=parts, relationships={"chart": "chart.xml", "diagramData": "data.xml"})
    assert word_text(content) == "Year\nSales\tMay June\t4 5\nStep one"


def test_notes_have_their_marks_and_comments_follow_their_paragraph() -> None:
    body = paragraph(
        f'{run("A claim")}<w:r><w:footnoteReference w:id="4"/></w:r>{run(" and")}<w:r><w:endnoteReference w:id="2"/>'
        f'</w:r><w:r><w:commentReference w:id="0"/></w:r><w:r><w:footnoteReference w:id="3"/></w:r>'
    ) + paragraph("next")
    separator = '<w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote>'
    notes = ((3, "second"), (4, "first"), (9, "not referred to"))
    footnotes = "".join(f'<w:footnote w:id="{at}">{paragraph(note)}</w:footnote>' for at, note in notes)
    text = shown(
        body,
        footnotes=separator + footnotes,
        endnotes=f'<w:endnote w:id="2">{paragraph("at the end")}</w:endnote>',
        comments=f'<w:comment w:id="0" w:author="Ada">{paragraph("Is it?")}{paragraph("Check.")}</w:comment>',
    )
    assert text == (
        "A claim[1] and[i][2]\n[Comment by Ada: Is it? Check.]\nnext\n[1] first\n[2] second\n[i] at the end"
    )


def test_the_settings_give_the_format_and_the_first_number_of_notes() -> None:
    settings = '<w:footnotePr><w:numFmt w:val="upperLetter"/><w:numStart w:val="3"/></w:footnotePr>'
    body = paragraph('<w:r><w:t>x</w:t><w:footnoteReference w:id="1"/></w:r>')
    body += paragraph('<w:r><w:footnoteReference w:id="2" w:customMarkFollows="1"/><w:t>*</w:t></w:r>')
    notes = "".join(f'<w:footnote w:id="{each}">{paragraph(f"n{each}")}</w:footnote>' for each in (1, 2))
    assert shown(body, settings=settings, footnotes=notes) == "x[C]\n*\n[C] n1\nn2"


def section(*references: str, properties: str = "") -> str:
    pairs = (reference.split() for reference in references)
    made = "".join(f'<w:{part[:6]}Reference w:type="{kind}" r:id="{part}"/>' for part, kind in pairs)
    return f"<w:sectPr>{made}{properties}</w:sectPr>"


def test_the_headers_and_footers_that_word_shows_are_read_once() -> None:
    first = section("header1 default", "header2 first", "header3 even", "footer1 default")
    second = section(properties="<w:titlePg/>")
    parts = {"header1": paragraph("usual"), "header2": paragraph("title page"), "header3": paragraph("even pages"),
             "footer1": paragraph("footer")}  # fmt: skip
    one = paragraph("body") + first
    assert shown(one, **parts) == "usual\nbody\nfooter"
    assert shown(paragraph(run("body"), first) + second, **parts) == "usual\ntitle page\nbody\nfooter"
    even = shown(one, settings="<w:evenAndOddHeaders/>", **parts)
    assert even == "usual\neven pages\nbody\nfooter"


def test_a_formula_is_written_in_one_line() -> None:
    def m(text: str) -> str:
        return f"<m:r><m:t>{text}</m:t></m:r>"

    root = f"<m:rad><m:radPr/><m:deg/><m:e>{m('b')}</m:e></m:rad>"
    power = f"<m:sSup><m:e>{m('x')}</m:e><m:sup>{m('2')}</m:sup></m:sSup>"
    total = (
        f'<m:nary><m:naryPr><m:chr m:val="∑"/></m:naryPr><m:sub>{m("i=1")}</m:sub><m:sup>{m("n")}</m:sup>'
        f"<m:e>{m('i')}</m:e></m:nary>"
    )
    fraction = f"<m:f><m:num>{m('a+1')}</m:num><m:den>{m('c')}</m:den></m:f>"
    content = f"{run('It is ')}<m:oMath>{m('y=')}{fraction}{m('+')}{power}{m('+')}{root}{m('+')}{total}</m:oMath>"
    assert shown(content) == "It is y=(a+1)/c+x^2+√(b)+∑_(i=1)^n i"


# Tables


def test_the_only_cell_of_a_row_keeps_its_lines_and_others_share_one() -> None:
    inner = table(row("Fee", "12"), row("Tax", "3"))
    layout = cell(paragraph("Title") + inner + paragraph("End"))
    assert shown(table(row(layout))) == "Title\nFee\t12\nTax\t3\nEnd"
    assert shown(table(row("a", cell(paragraph("b") + paragraph("c"))))) == "a\tb c"


def test_deleted_and_hidden_rows_and_cells_are_not_read() -> None:
    rows = [row("kept", "1"), row("deleted", "2", properties="<w:del/>"), row("hidden", properties="<w:hidden/>")]
    rows.append(row("a", cell("gone", "<w:cellDel/>"), "b"))
    assert shown(table(*rows)) == "kept\t1\na\tb"


def test_a_merged_cell_is_read_in_its_first_row_whatever_its_first_mark() -> None:
    first = cell("Merged", "<w:vMerge/>")
    rows = [row(first, "0"), *(row(cell("", "<w:vMerge/>"), str(number)) for number in range(1, 3_000))]
    assert shown(table(*rows)) == "Merged\t0\n" + "\n".join(f"\t{number}" for number in range(1, 3_000))


# Packages


PAGE = "<html><head><title>no</title></head><p>caf\u00e9\n bar</p><table><tr><td>a</td><td>b</td></tr></table></html>"
MAIL = (
    b"MIME-Version: 1.0\nContent-Type: multipart/related; boundary=x\n\n"
    b"--x\nContent-Type: text/html; charset=%s\n\n%s\n--x--"
)


@pytest.mark.parametrize(
    ("chunk", "text"),
    [
        (PAGE.encode(), "caf\u00e9 bar\na\tb"),
        (b'<!DOCTYPE html><meta charset="koi8-r"><p>' + "\u041c\u0438\u0440".encode("koi8-r"), "\u041c\u0438\u0440"),
        (MAIL % (b"iso-8859-1", PAGE.encode("latin-1")), "caf\u00e9 bar\na\tb"),
        ("plain\ntext".encode("utf-16"), "plain\ntext"),
        (word_file(paragraph("another file")), "another file"),
        (b"PK\x03\x04 damaged", ""),
    ],
)
def test_a_file_that_word_shows_within_another_is_read(chunk: bytes, text: str) -> None:
    assert word_text(_with_chunk(chunk)) == f"{text}\nend".strip()


def test_a_file_within_another_in_an_unknown_encoding_is_refused_instead_of_left_out() -> None:
    with pytest.raises(UnreadableError, match="an encoding that is not recognised") as caught:
        word_text(_with_chunk(b"\x81\x8d"))
    assert caught.value.code == "document_encoding_unknown"


def _with_chunk(chunk: bytes) -> bytes:
    return word_file(
        '<w:altChunk r:id="aFChunk"/>' + paragraph("end"),
        parts={"word/c.bin": chunk},
        relationships={"aFChunk": "c.bin"},
    )


@pytest.mark.parametrize("main", ["word/document2.xml", "parts/body.bin"])
def test_the_main_part_may_have_any_name(main: str) -> None:
    assert word_text(word_file(paragraph("found"), main=main)) == "found"


def test_an_iso_strict_file_is_read() -> None:
    strict = element("document", f"<w:body>{paragraph('strict')}{table(row('a', 'b'))}</w:body>")
    strict = strict.replace(f"{OPEN}/wordprocessingml/2006/main", f"{STRICT}/wordprocessingml/main")
    assert word_text(package({"word/document.xml": strict}, "word/document.xml", "x")) == "strict\na\tb"


def test_links_to_missing_parts_and_damaged_parts_do_not_spoil_the_rest() -> None:
    body = paragraph("fine") + section("header1 default", "header2 default")
    damaged: dict[str, str | bytes] = {
        "word/styles.xml": "<w:styles",
        "docProps/core.xml": "<x",
        "word/header1.xml": b"\0",
        "word/x.png": "x",
    }
    links = {"styles": "styles.xml", "image": "NULL", "header1": "header1.xml", "header2": "../NULL", "numbering": ""}
    assert word_text(word_file(body, parts=damaged, relationships=links)) == "fine"


def test_too_many_elements_within_each_other_are_refused() -> None:
    deep = f"{'<w:smartTag>' * 5_000}{run('x')}{'</w:smartTag>' * 5_000}"
    with pytest.raises(UnreadableError, match="too many elements within each other"):
        shown(deep)


@pytest.mark.parametrize("part", ["word/document.bin", "word/header.txt"])
def test_entities_are_refused_in_parts_with_any_name(part: str) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY a "ha">]>' + element("document", f"<w:body>{paragraph('&a;')}</w:body>")
    if part.endswith("bin"):
        content = word_file("", main=part, parts={part: bomb})
    else:
        content = word_file(section("header default"), parts={part: bomb}, relationships={"header": "header.txt"})
    with pytest.raises(UnreadableError, match="declares XML entities"):
        word_text(content)
