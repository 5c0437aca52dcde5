"""The variables of a backend on moto."""

import json

from tests.handlers.deployment import BUCKET, Deployment


def variables_of(deployment: Deployment, analyses: str = "ticket_triage") -> dict[str, str]:
    """Return what the module's output `backend_environment` contains."""
    return {
        "ANALYSIS_JOBS_ANALYSES": analyses,
        "ANALYSIS_JOBS_BUCKET_NAME": BUCKET,
        "ANALYSIS_JOBS_JOB_RETENTION_DAYS": "30",
        "ANALYSIS_JOBS_QUEUE_URLS": json.dumps(dict(deployment.queue_urls)),
        "ANALYSIS_JOBS_SERVICE_NAME": "jobs-prod",
        "ANALYSIS_JOBS_TABLE_NAME": "aj-jobs",
    }
