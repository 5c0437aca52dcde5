"""LLM analyses that take minutes, on AWS: what an analysis imports."""

from analysis_jobs.analysis import Analysis, stage
from analysis_jobs.documents import Document
from analysis_jobs.errors import Defer, Fail, Retry
from analysis_jobs.job import Job
from analysis_jobs.prompts import Prompt

__all__ = ["Analysis", "Defer", "Document", "Fail", "Job", "Prompt", "Retry", "stage"]
