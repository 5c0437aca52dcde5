"""Two readers of one field: a template, which knows where it stands, and a model, which knows what is meant."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from analysis_jobs.extraction.validation import Finding

# How sure a value is by who read it; of ours, to be set by what a reviewer corrects. Times what the page's own reading
# is worth: what OCR guessed, two readers read alike and wrongly.
BOTH = 0.98
TEMPLATE_ALONE = 0.85
MODEL_ALONE = 0.75
NEITHER_WAY = 0.4


class Agreed(BaseModel):
    """The fields as they were settled, a confidence 0..1 for each that has a value, and the disagreements."""

    values: dict[str, Any]
    confidence: dict[str, float]
    findings: list[Finding]


def agreed(
    template: Mapping[str, Any],
    model: Mapping[str, Any],
    *,
    same: Callable[[Any, Any], bool] | None = None,
    reading: float | None = None,
) -> Agreed:
    """Settle the fields of a template and of a model, missing ones being None or left out.

    Where both have a value and it is not the same, the template's stands, which is literally in the document, and a
    finding `sources_disagree` has both. `same` compares two values; unset, text without regard to capitals, blanks and
    punctuation. `reading` is how well the page was read, 0..1; None for a text layer, which is not guessed.
    """
    alike = same or _alike
    values: dict[str, Any] = {}
    confidence: dict[str, float] = {}
    findings: list[Finding] = []
    for field in {**template, **model}:
        ours, theirs = template.get(field), model.get(field)
        values[field] = theirs if ours is None else ours
        if values[field] is None:
            continue
        if ours is None or theirs is None:
            sure = MODEL_ALONE if ours is None else TEMPLATE_ALONE
        elif alike(ours, theirs):
            sure = BOTH
        else:
            sure = NEITHER_WAY
            message = f"{field}: the template reads {ours!s:.80}, the model {theirs!s:.80}"
            both = {"template": ours, "model": theirs}
            findings.append(Finding(field=field, value=both, rule="sources_disagree", message=message))
        confidence[field] = round(sure * (1 if reading is None else reading), 3)
    return Agreed(values=values, confidence=confidence, findings=findings)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _letters(one) == _letters(other)
    return bool(one == other)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
