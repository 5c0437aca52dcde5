"""Runs LLM analyses that take minutes, durably, on AWS. These are the names that an analysis imports.

A name is imported from its module when it is first used: `import analysis_jobs.client` imports none of them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from analysis_jobs.authoring.analysis import Analysis, stage
    from analysis_jobs.authoring.canary import Between, Canary, Length, Matches, NotEmpty, OneOf
    from analysis_jobs.authoring.job import Job
    from analysis_jobs.base.attachment import Attachment
    from analysis_jobs.base.errors import Defer, Fail, Retry
    from analysis_jobs.base.usage import Usage
    from analysis_jobs.documents import Document, Page, Reading
    from analysis_jobs.jobs.admission import Admission, NewItems, Rate, Trigger
    from analysis_jobs.jobs.tiers import TierRequest, Tiers
    from analysis_jobs.prompts import Prompt, RenderedPrompt, fill_prompt

__all__ = [
    "Admission",
    "Analysis",
    "Attachment",
    "Between",
    "Canary",
    "Defer",
    "Document",
    "Fail",
    "Job",
    "Length",
    "Matches",
    "NewItems",
    "NotEmpty",
    "OneOf",
    "Page",
    "Prompt",
    "Rate",
    "Reading",
    "RenderedPrompt",
    "Retry",
    "TierRequest",
    "Tiers",
    "Trigger",
    "Usage",
    "fill_prompt",
    "stage",
]

# The module of each name. It repeats the imports above, which only a type checker reads.
_MODULES = {
    "authoring.analysis": ("Analysis", "stage"),
    "authoring.canary": ("Between", "Canary", "Length", "Matches", "NotEmpty", "OneOf"),
    "authoring.job": ("Job",),
    "base.attachment": ("Attachment",),
    "base.errors": ("Defer", "Fail", "Retry"),
    "base.usage": ("Usage",),
    "documents": ("Document", "Page", "Reading"),
    "jobs.admission": ("Admission", "NewItems", "Rate", "Trigger"),
    "jobs.tiers": ("TierRequest", "Tiers"),
    "prompts": ("Prompt", "RenderedPrompt", "fill_prompt"),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
