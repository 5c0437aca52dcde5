"""Writes a Word formula as one line, in the linear format that Word offers for typing: (a+b)/2, x^2, √(y).

The elements are those of Office Math Markup (ECMA-376, part 1, 22.1). The format is Unicode Technical Note 28.
"""

from xml.etree.ElementTree import Element

from document_reader.office.names import M, W

_NOT_TEXT = frozenset({f"{W}del", f"{W}moveFrom", f"{W}rPr"})
_INTEGRAL = "∫"
_SIMPLE = 1


def linear(formula: Element) -> str:
    """Return the text of an `m:oMath` element."""
    return _inside(formula)


def _inside(element: Element | None) -> str:
    return "" if element is None else "".join(_written(child) for child in element)


def _written(element: Element) -> str:  # noqa: C901, PLR0911, PLR0912 - one branch for each kind of formula
    tag = element.tag
    if tag in _NOT_TEXT or tag.endswith("Pr"):
        return ""
    if tag in {f"{M}t", f"{W}t"}:
        return element.text or ""
    if not tag.startswith(M):
        return _inside(element)
    match tag.removeprefix(M):
        case "f":
            if _value(element, "fPr", "type") == "noBar":
                return f"({_part(element, 'num')}¦{_part(element, 'den')})"
            return f"{_group(element, 'num')}/{_group(element, 'den')}"
        case "sSup":
            return f"{_part(element, 'e')}^{_group(element, 'sup')}"
        case "sSub":
            return f"{_part(element, 'e')}_{_group(element, 'sub')}"
        case "sSubSup":
            return f"{_part(element, 'e')}_{_group(element, 'sub')}^{_group(element, 'sup')}"
        case "sPre":
            return f"_{_group(element, 'sub')}^{_group(element, 'sup')}{_part(element, 'e')}"
        case "rad":
            degree = _part(element, "deg")
            return f"√({degree}&{_part(element, 'e')})" if degree.strip() else f"√({_part(element, 'e')})"
        case "nary":
            return _nary(element)
        case "d":
            separator = _value(element, "dPr", "sepChr") or "|"
            inner = separator.join(_inside(each) for each in element.findall(f"{M}e"))
            return f"{_bracket(element, 'begChr', '(')}{inner}{_bracket(element, 'endChr', ')')}"
        case "func":
            return f"{_part(element, 'fName')} {_part(element, 'e')}"
        case "limLow":
            return f"{_part(element, 'e')}_{_group(element, 'lim')}"
        case "limUpp":
            return f"{_part(element, 'e')}^{_group(element, 'lim')}"
        case "acc":
            return f"{_part(element, 'e')}{_value(element, 'accPr', 'chr') or chr(0x302)}"
        case "m":
            rows = ("&".join(_inside(each) for each in row.findall(f"{M}e")) for row in element.findall(f"{M}mr"))
            return f"[{'; '.join(rows)}]"
        case "eqArr":
            return "; ".join(_inside(each) for each in element.findall(f"{M}e"))
        case _:
            return _inside(element)


def _nary(element: Element) -> str:
    """Return a sum, an integral or the like. Without a character it is an integral."""
    sign = _value(element, "naryPr", "chr")
    sign = _INTEGRAL if sign is None else sign
    limits = [f"{mark}{_group(element, name)}" for mark, name in (("_", "sub"), ("^", "sup")) if _part(element, name)]
    return f"{sign}{''.join(limits)} {_part(element, 'e')}"


def _bracket(element: Element, name: str, default: str) -> str:
    found = _value(element, "dPr", name)
    return default if found is None else found


def _part(element: Element, name: str) -> str:
    return _inside(element.find(f"{M}{name}"))


def _group(element: Element, name: str) -> str:
    """Return a part, in brackets if it is more than one number or name."""
    text = _part(element, name)
    return text if len(text) <= _SIMPLE or text.isalnum() else f"({text})"


def _value(element: Element, properties: str, name: str) -> str | None:
    found = element.find(f"{M}{properties}/{M}{name}")
    return None if found is None else found.get(f"{M}val", "")
