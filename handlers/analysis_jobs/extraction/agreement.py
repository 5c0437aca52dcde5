"""Merges the fields that two readers found: a template, which finds values by their labels, and a model."""

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel

from analysis_jobs.extraction.validation import Finding

# The confidence of a value, by the readers that found it. These are estimates: adjust them to the share of values that
# reviewers correct. They are multiplied by the OCR's confidence, because both readers see the same OCR errors.
BOTH = 0.98
TEMPLATE_ALONE = 0.85
MODEL_ALONE = 0.75
DISAGREEMENT = 0.4


class Agreed(BaseModel):
    """The merged values, a confidence of 0 to 1 for each field with a value, and the disagreements."""

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
    """Merge the values of a template and of a model. A missing field is None or left out.

    If the values differ, the template's is used, because it stands literally in the document; a finding
    `sources_disagree` has both. `same` compares two values. By default, texts are compared without case, spaces and
    punctuation. `reading` is the OCR's confidence, 0 to 1; None for a text layer.
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
            certainty = MODEL_ALONE if ours is None else TEMPLATE_ALONE
        elif alike(ours, theirs):
            certainty = BOTH
        else:
            certainty = DISAGREEMENT
            message = f"{field}: the template reads {ours!s:.80}, the model {theirs!s:.80}"
            both = {"template": ours, "model": theirs}
            findings.append(Finding(field=field, value=both, rule="sources_disagree", message=message))
        confidence[field] = round(certainty * (1 if reading is None else reading), 3)
    return Agreed(values=values, confidence=confidence, findings=findings)


def _alike(one: Any, other: Any) -> bool:
    if isinstance(one, str) and isinstance(other, str):
        return _letters(one) == _letters(other)
    return bool(one == other)


def _letters(text: str) -> str:
    return "".join(letter for letter in text.casefold() if letter.isalnum())
