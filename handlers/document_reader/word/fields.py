"""Follows the fields of a Word document: an instruction, which is not shown, and its result, which is."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from document_reader.office.names import NOT_TEXT, W, number, switch, value

CHECKED, UNCHECKED = "☒", "☐"
_BOX = f"{W}txbxContent"
_CHARACTER = f"{W}fldChar"
# The text of this field is in its instruction: { MACROBUTTON name text to click on }.
_BUTTON = re.compile(r"\s*(?:MACROBUTTON|GOTOBUTTON)\s+\S+\s+(.*)", re.DOTALL)


@dataclass
class _Field:
    form: str
    in_result: bool = False
    instruction: list[str] = field(default_factory=list)
    shown: bool = False


class Fields:
    """The fields that are open at the current place of a story. A field may span paragraphs."""

    def __init__(self, story: Element, branch: Callable[[Element], Element | None]) -> None:
        self._complete = _complete_fields(story, branch)
        self._open: list[_Field] = []
        self._instructions = 0

    @property
    def hide(self) -> bool:
        """Tell whether the current place is within an instruction."""
        return self._instructions > 0

    def shown(self) -> None:
        """Note that text was shown: it is the result of each open field."""
        for each in self._open:
            each.shown = True

    def instruct(self, text: str) -> None:
        """Add to the instruction of the innermost field."""
        if self._open and not self._open[-1].in_result:
            self._open[-1].instruction.append(text)

    def character(self, element: Element) -> str:
        """Take a `w:fldChar`. Return the text of a field that ends without a result: a check box, or a button."""
        kind = element.get(f"{W}fldCharType")
        if kind == "begin":
            # A field without an end is damaged. Word shows what follows, so its beginning is ignored.
            if id(element) in self._complete:
                self._open.append(_Field(_form_field(element)))
                self._instructions += 1
        elif kind == "separate" and self._open and not self._open[-1].in_result:
            self._open[-1].in_result = True
            self._instructions -= 1
        elif kind == "end" and self._open:
            return self._end()
        return ""

    def _end(self) -> str:
        ended = self._open.pop()
        if not ended.in_result:
            self._instructions -= 1
        button = _BUTTON.match("".join(ended.instruction))
        return "" if ended.shown else ended.form or (button[1].strip() if button else "")


def _form_field(begin: Element) -> str:
    """Return what a form field without a result shows: the mark of a check box, or the choice of a list."""
    box = begin.find(f"{W}ffData/{W}checkBox")
    if box is not None:
        checked = switch(box, "checked")
        return CHECKED if (switch(box, "default") if checked is None else checked) else UNCHECKED
    choices = begin.find(f"{W}ffData/{W}ddList")
    if choices is not None:
        entries = [value(entry) or "" for entry in choices.findall(f"{W}listEntry")]
        chosen = number(value(choices, "result") or value(choices, "default")) or 0
        return entries[chosen] if 0 <= chosen < len(entries) else ""
    return ""


def _complete_fields(story: Element, branch: Callable[[Element], Element | None]) -> set[int]:
    """Return the `id` of each field's first character that has a last one in the same story."""
    complete: set[int] = set()
    if next(story.iter(_CHARACTER), None) is None:
        return complete
    begun: list[int] = []
    left = [story]
    while left:
        element = left.pop()
        chosen = branch(element)
        if chosen is None or element.tag in NOT_TEXT or (element.tag == _BOX and element is not story):
            continue
        left.extend(reversed(chosen))
        if element.tag == _CHARACTER:
            kind = element.get(f"{W}fldCharType")
            if kind == "begin":
                begun.append(id(element))
            elif kind == "end" and begun:
                complete.add(begun.pop())
    return complete
