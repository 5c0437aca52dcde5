"""Finds tags that a value forges: texts that a model may read as a tag of the template.

A tag keeps a document apart from the instructions around it. A document that contains the closing tag could end that
part early. A model reads many spellings of a tag as the tag: other cases, look-alike characters, entities, and letters
with blanks or invisible characters between them. So the search compares what a text looks like, not its characters.
"""

import re
import unicodedata
from collections.abc import Collection, Iterator
from functools import cache

# Unicode's confusables of the characters of a tag, as far as NFKD does not decompose them.
# https://www.unicode.org/Public/security/latest/confusables.txt
_LOOK_ALIKES = {
    "<": "\u02c2\u1438\u16b2\u2039\u2329\u276e\u2770\u27e8\u29fc\u3008\u226a\u22d6\U0001d236",
    "/": "\\\u1735\u2041\u2044\u2215\u2571\u27cb\u29f8\u3033\u30ce\u31d3\u4e3f\u2afb\u2afd",
    "a": "\u0430\u03b1\u0251\u237a",
    "b": "\u042c\u044c\u1472\u15af\u0184",
    "c": "\u0441\u03f2\u1d04\u2ca5",
    "d": "\u0501\u0257\u146f\ua4d2",
    "e": "\u0435\u212e\u04bd\u03b5\u0454",
    "f": "\ua799\u017f\u1e9d\u0584",
    "g": "\u0261\u1d83\u018d\u0581",
    "h": "\u04bb\u0570\u13c2\u043d",
    "i": "\u0456\u0131\u03b9\u0269\u026a\u04cf\u0406\u01c0\u2223",
    "j": "\u0458\u03f3",
    "k": "\u043a\u03ba\u1d0b",
    "l": "\u04c0\u01c0\u05c0\u2113\u217c\u0627",
    "m": "\u043c\u1d0d\u217f\u03fb",
    "n": "\u0578\u057c\u03b7\u0274",
    "o": "\u043e\u03bf\u03c3\u0585\u1d0f\u0ae6\u0d20\u101d\u1d11",
    "p": "\u0440\u03c1\u2374\u2ca3",
    "q": "\u051b\u0563\u0566",
    "r": "\u0433\u1d26\u2c85\uab47\u0280",
    "s": "\u0455\ua731\u01bd\uabaa",
    "t": "\u0442\u03c4\u1d1b",
    "u": "\u057d\u03c5\u028b\u1d1c\ua79f\u0446",
    "v": "\u03bd\u0475\u05d8\u1d20\u2228",
    "w": "\u0461\u051d\u0561\u026f\u1d21",
    "x": "\u0445\u03c7\u00d7\u166e\u157d",
    "y": "\u0443\u03b3\u04af\u028f\u1eff",
    "z": "\u1d22\uab93",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2212\u02d7",
    "_": "\u203f\u2040\ufe4d",
}
_BY_LOOK = {alike: plain for plain, alikes in _LOOK_ALIKES.items() for alike in alikes}
# Letters and symbols without a visible form, beside the invisible categories of Unicode.
_INVISIBLE = set("\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0")
_INVISIBLE_CATEGORIES = {"Cc", "Cf", "Mn", "Me", "Zs", "Zl", "Zp"}  # blanks too
# How texts write a character by its number or its name. An entity may be escaped more than once.
_ESCAPED = re.compile(
    r"&(?:amp;)*(?P<entity>#0*[0-9]{1,7}|#x0*[0-9a-f]{1,6}|[a-z]{2,8});?"
    r"|(?:%|\\x)(?P<byte>[0-9a-f]{2})|\\u\{?(?P<code>[0-9a-f]{2,6})\}?",
    re.IGNORECASE,
)
_MAY_OPEN = re.compile("[<\u226e\ufe64\uff1c%&\\\\" + re.escape(_LOOK_ALIKES["<"]) + "]")


def forged_tags(text: str, names: Collection[str]) -> Iterator[tuple[int, int, int]]:
    """Yield each text that looks like a tag with one of `names`, opening or closing.

    Yields where it starts, where its angle bracket ends, and where its name ends.
    """
    plain_names = [name.casefold() for name in names]
    for found in _MAY_OPEN.finditer(text):
        start = found.start()
        look, after = _look(text, start)
        if look == "<" and (end := max((_name_end(text, after, name) for name in plain_names), default=-1)) >= 0:
            yield start, after, end


def _name_end(text: str, at: int, name: str) -> int:
    """Return where a tag's name ends, -1 if the text after the angle bracket is no tag of this name."""
    look, after = _next_look(text, at)
    is_closing = look == "/"
    while look == "/":
        at = after
        look, after = _next_look(text, at)
    if not is_closing and not _is_joined(text, at, name):
        return -1
    for letter in name:
        look, after = _next_look(text, at)
        if look != letter:
            return -1
        at = after
    following, _ = _look(text, at) if at < len(text) else ("", at)
    return -1 if following.isalnum() or following == "_" else at


def _is_joined(text: str, at: int, name: str) -> bool:
    """Tell whether a name follows without a blank. Otherwise `a < note` would be an opening tag."""
    return not text[at : at + 1].isspace() and not any(letter.isspace() for letter in text[at : at + len(name)])


def _next_look(text: str, at: int) -> tuple[str, int]:
    """Return what the next visible character looks like, and where it ends. "" at the end of the text."""
    while at < len(text):
        look, at = _look(text, at)
        if look:
            return look, at
    return "", at


def _look(text: str, at: int) -> tuple[str, int]:
    """Return what the character at a place looks like ("" if it is invisible or blank), and where it ends."""
    if text[at] in "&%\\" and (escaped := _ESCAPED.match(text, at)):
        character = _unescaped(escaped)
        if len(character) == 1:
            return _plain(character), escaped.end()
    return _plain(text[at]), at + 1


def _unescaped(escaped: re.Match[str]) -> str:
    if entity := escaped["entity"]:
        import html  # noqa: PLC0415 - slow to import, and almost no text has such an entity

        return html.unescape(f"&{entity};")
    code = int(escaped["byte"] or escaped["code"], 16)
    return chr(code) if code <= 0x10FFFF else ""  # noqa: PLR2004 - the last code point


@cache
def _plain(character: str) -> str:
    """Return the plain character that one looks like, in lower case. "" for an invisible one and a blank."""
    if character in _INVISIBLE or unicodedata.category(character) in _INVISIBLE_CATEGORIES:
        return ""
    decomposed = unicodedata.normalize("NFKD", character)
    base = "".join(each for each in decomposed if unicodedata.category(each) not in _INVISIBLE_CATEGORIES)
    folded = base.casefold()
    return "".join(_BY_LOOK.get(each, each) for each in folded[:1])
