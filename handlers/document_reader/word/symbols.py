"""The characters of symbol fonts. Word stores them in the private use area: U+F0A7 in Wingdings is a small square.

The tables are those of Unicode's technical report L2/12-368 and of Adobe's Symbol encoding.
"""

_FIRST = 0x20
_PRIVATE = range(0xF020, 0xF100)
_SYMBOL_BULLET = 0xB7
# One character per code from 0x20; a space stands for a code without a character.
_FONTS = {
    "symbol": (
        " !∀#∃%&∍()*+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩ"  # noqa: RUF001
        "ΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}~                 "
        "                €ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩"  # noqa: RUF001
        "∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭ "  # noqa: RUF001
    ),
    "wingdings": (
        " 🖉✂✁👓🕭🕮🕯🕿✆🖂🖃📪📫📬📭🗀🗁🗎🗏🗐🗄⌛🖮🖰🖲🖳🖴🖫🖬✇✍🖎✌🖏👍👎☜☞☝☟🖐☺😐☹💣🕱🏳🏱✈☼🌢❄🕆✞🕈"
        "✠✡☪☯🕉☸♈♉♊♋♌♍♎♏♐♑♒♓🙰🙵●🔾■☐🞐❑❒🞟⧫◆❖⬩⌧⮹⌘🏵🏶🙶🙷▯🄋➀➁➂➃➄➅➆➇➈➉🄌➊➋➌➍"
        "➎➏➐➑➒➓🙢🙠🙡🙣🙞🙜🙝🙟∙•⬝⭘🞆🞈🞊🞋🔿▪☐🟁🟅★🟋🟏🟓🟑⯐⌖⯎⯏⯑✪✰🕐🕑🕒🕓🕔🕕🕖🕗🕘🕙🕚🕛⮰⮱⮲⮳⮴"
        "⮵⮶⮷🙪🙫🙕🙔🙗🙖🙐🙑🙒🙓⌫⌦⮘➢⮙⮛⮈⮊⮉⮋🡨🡪🡩🡫🡬🡭🡯🡮🡸🡺🡹🡻🡼🡽🡿🡾⇦⇨⇧⇩⬄⇳⬁⬀⬃⬂🢬🢭✗✓☒☑ "
    ),
}
_MORE = {
    "wingdings 2": {0x4F: "✗", 0x50: "✓", 0x51: "☒", 0x52: "☑", 0x53: "☒", 0x54: "☒", 0x96: "●", 0x97: "●", 0xA2: "■",
                    0xA3: "☐", 0xA4: "☐"},
    "webdings": {0x61: "✔", 0x63: "☐", 0x67: "■", 0x6E: "●", 0x72: "✗", 0x3C: "■"},
}  # fmt: skip


def symbol(code: int, font: str) -> str:
    """Return the character for a code of a font. Codes of other fonts are characters already."""
    low = code - 0xF000 if code in _PRIVATE else code
    font = font.lower()
    if code in _PRIVATE and font not in _FONTS and font not in _MORE:
        # The font is named in a style, or not at all. Nearly always it is one of these two.
        font = "symbol" if low == _SYMBOL_BULLET else "wingdings"
    table = _FONTS.get(font)
    if table and _FIRST <= low < _FIRST + len(table):
        return table[low - _FIRST]
    if font in _MORE:
        return _MORE[font].get(low, "▪")
    return chr(code)


def without_private(text: str, font: str) -> str:
    """Return text with the characters of a symbol font replaced."""
    if not any(ord(character) in _PRIVATE for character in text):
        return text
    return "".join(symbol(ord(each), font) if ord(each) in _PRIVATE else each for each in text)
