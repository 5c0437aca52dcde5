"""Finds the document in a prompt, so that a request can send it first, where a prompt cache keeps it.

A document that is sent first is always written in the same way, whatever the template around it says. So the requests
of all stages begin with the same bytes.
"""

import re

# Characters. No prompt cache takes fewer tokens than these have.
SHORTEST_DOCUMENT = 2_000
_OPENING = re.compile(r"<([A-Za-z_][\w-]*)>")
_MAX_ELEMENTS = 50  # elements of a prompt that are looked at


def without_document(template: str, name: str) -> str:
    """Return a template with a note in the place of a placeholder, or of the element that contains only it."""
    placeholder = re.escape(f"{{{name}}}")
    element = re.compile(rf"<([A-Za-z_][\w-]*)>\s*{placeholder}\s*</\1>")
    return re.sub(placeholder, lambda _: _note("document"), element.sub(lambda found: _note(found[1]), template))


def split_document(prompt: str) -> tuple[str, str]:
    """Return the longest element of a prompt that no template made, and the prompt with a note in its place.

    Returns an empty document if no element is long enough.
    """
    at, found = 0, None
    for _ in range(_MAX_ELEMENTS):
        opening = _OPENING.search(prompt, at)
        if opening is None:
            break
        end = prompt.find(f"</{opening[1]}>", opening.end())
        at = opening.end() if end < 0 else end
        if end >= 0 and (found is None or end - opening.end() > found[1] - found[0].end()):
            found = (opening, end)
    if found is None or found[1] - found[0].end() < SHORTEST_DOCUMENT:
        return "", prompt
    opening, end = found
    after = end + len(opening[1]) + len("</>")
    document = prompt[opening.end() : end].strip("\n")
    return document, f"{prompt[: opening.start()]}{_note(opening[1])}{prompt[after:]}"


def _note(tag: str) -> str:
    what = "The document is" if tag.lower() == "document" else f"The {tag} is the document"
    return f"({what} at the start of this message.)"
