"""Makes the parts behind `Job`. A declaration needs only the class, so `Job` imports this module on first use."""

from collections.abc import Callable

from analysis_jobs.authoring.asker import Asker
from analysis_jobs.authoring.caching import CachePlan, was_just_claimed
from analysis_jobs.authoring.context import AttemptContext
from analysis_jobs.authoring.documents import JobDocuments
from analysis_jobs.authoring.pinned import PinnedVersions


def asker_of(context: AttemptContext, track_answer: Callable[[], Callable[[float], None]]) -> Asker:
    """Return what asks the models. `track_answer` is called when an answer begins to arrive."""
    services, record = context.services, context.record

    def labels() -> dict[str, str]:
        return {"analysis": record.analysis, "job_id": record.job_id, "stage": context.stage.name}

    return Asker(
        services.model,
        context.model_id,
        labels,
        context.report.spending,
        context.control,
        CachePlan(context.stage, context.asking_places, is_resumed=was_just_claimed(record.history)),
        track_answer,
        services.settings.service_tiers.get(record.priority),
        lambda: context.stage.trace,
    )


def documents_of(context: AttemptContext) -> JobDocuments:
    """Return what reads the documents of the job's tenant."""
    services, record = context.services, context.record
    return JobDocuments(
        record.tenant,
        services.artifacts,
        PinnedVersions(services.artifacts, record.documents, record.created_at),
        services.documents,
        services.settings.max_document_bytes,
        context.check,
        context,
    )
