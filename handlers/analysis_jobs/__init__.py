"""Runs LLM analyses that take minutes, durably, on AWS. These are the names that an analysis imports."""

from analysis_jobs.authoring.analysis import Analysis, stage
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
    "Defer",
    "Document",
    "Fail",
    "Job",
    "NewItems",
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
