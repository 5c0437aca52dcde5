"""LLM analyses that take minutes, on AWS: what an analysis imports."""

from analysis_jobs.admission import Admission, NewItems, Rate, Trigger
from analysis_jobs.analysis import Analysis, stage
from analysis_jobs.documents import Document
from analysis_jobs.errors import Defer, Fail, Retry
from analysis_jobs.job import Job
from analysis_jobs.prompts import Prompt
from analysis_jobs.tiers import Tiers

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
