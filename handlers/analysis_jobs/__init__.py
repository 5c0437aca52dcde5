"""LLM analyses that take minutes, on AWS: what an analysis imports."""

from analysis_jobs.authoring.analysis import Analysis, stage
from analysis_jobs.authoring.job import Job
from analysis_jobs.base.errors import Defer, Fail, Retry
from analysis_jobs.documents import Document
from analysis_jobs.jobs.admission import Admission, NewItems, Rate, Trigger
from analysis_jobs.jobs.tiers import Tiers
from analysis_jobs.prompts import Prompt

__all__ = [
    "Admission",
    "Analysis",
    "Defer",
    "Document",
    "Fail",
    "Job",
    "NewItems",
    "Prompt",
    "Rate",
    "Retry",
    "Tiers",
    "Trigger",
    "stage",
]
