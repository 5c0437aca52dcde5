"""Builds the services with their AWS clients. Each execution environment builds them once, on first use.

Each function imports what it builds: the sweeper, for example, pays neither for analyses nor for documents.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import boto3
from botocore.config import Config

from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.settings import EventSettings, Settings, variable
from analysis_jobs.jobs.canaries import CANARY_LANE
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.s3 import S3ArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.stores.waiting import DynamoWaitingSlots

if TYPE_CHECKING:
    from analysis_jobs.api.routes import Api
    from analysis_jobs.authoring.analysis import Analyses
    from analysis_jobs.base.audit import Sink
    from analysis_jobs.documents.reader import DocumentReader
    from analysis_jobs.events.publisher import Publisher
    from analysis_jobs.privacy.erasure import Erasure
    from analysis_jobs.privacy.export import Export
    from analysis_jobs.privacy.stack import StackNames
    from analysis_jobs.stores.receiving import EveryMessage
    from analysis_jobs.submission.service import SubmissionService
    from analysis_jobs.sweeper.sweeper import Sweeper
    from analysis_jobs.worker.worker import Worker

# boto3's retry defaults have changed between versions, so they are set here: at most three requests of 10 s each.
_STORE_CONFIG = Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
# Signature version 4, because newer buckets refuse older ones. The Region's own host name, because the global endpoint
# redirects an upload form, and browsers do not send the body again after a redirect.
_S3_CONFIG = _STORE_CONFIG.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
# A step of the sweeper is two requests of some milliseconds. boto3 has 10 connections for each client.
_SWEEP_THREADS = 8
# A request waits for its audit line. If CloudWatch Logs does not take it, the line goes to the log of the process.
_AUDIT_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
# Textract needs a few seconds for a page.
_OCR_CONFIG = _STORE_CONFIG.merge(Config(read_timeout=60))
# No retries in the client: each request is billed, and the job engine decides about retries. `BedrockModel` sets the
# read timeout of each request: it limits the silence of the stream, which includes the wait for the first token.
MODEL_CONFIG = Config(connect_timeout=5, read_timeout=120, retries={"mode": "standard", "total_max_attempts": 1})


def _queue(settings: Settings, session: Any = None) -> SqsJobQueue:
    """Return the queues of the lanes, and that of canaries if there is one. No caller can name the latter."""
    canary = {CANARY_LANE: settings.canary_queue_url} if settings.canary_queue_url else {}
    return SqsJobQueue(_client("sqs", session=session), {**settings.queue_urls, **canary})


def submissions(
    settings: Settings, analyses: Analyses | None = None, session: Any = None, clock: Clock | None = None
) -> SubmissionService:
    """Return the service that accepts jobs. Raises `ConfigurationError` for analyses that cannot run here.

    Without `analyses` the modules of the setting are imported. A backend gives its own boto3 `session`.
    """
    from analysis_jobs.authoring.analysis import load_analyses  # noqa: PLC0415 - see the module
    from analysis_jobs.submission.service import SubmissionService  # noqa: PLC0415

    clock = clock or SystemClock()
    return SubmissionService(
        store=_store(settings, clock, session),
        queue=_queue(settings, session),
        artifacts=_artifacts(settings, session),
        analyses=_check_tiers(load_analyses(settings.analyses) if analyses is None else analyses, settings),
        settings=settings,
        clock=clock,
    )


def _store(settings: Settings, clock: Clock, session: Any = None) -> DynamoJobStore:
    return DynamoJobStore(_client("dynamodb", session=session), settings.table_name, clock)


def _artifacts(settings: Settings, session: Any = None) -> S3ArtifactStore:
    return S3ArtifactStore(_client("s3", _S3_CONFIG, session=session), settings.bucket_name, settings.bucket_prefix)


def _check_tiers(analyses: Analyses, settings: Settings) -> Analyses:
    """Return the analyses. Raises `ConfigurationError` if one has tiers and the queues are FIFO."""
    fifo = any(url.endswith(".fifo") for url in settings.queue_urls.values())
    if fifo and (tiered := [analysis.name for analysis in analyses.values() if analysis.tiers]):
        names = ", ".join(tiered)
        raise ConfigurationError(f"{names}: tiers need standard queues; set queue.fifo = false in the module")
    return analyses


def api(settings: Settings) -> Api:
    """Return the HTTP API."""
    from analysis_jobs.api.routes import Api  # noqa: PLC0415 - see the module

    waiting = DynamoWaitingSlots(
        _client("dynamodb"), settings.table_name, settings.max_waiting_per_tenant, settings.max_waiting
    )
    sink = audit_sink(settings.audit_log_group, "api")
    return Api.build(submissions(settings), settings.tenant_claim, waiting, sink)


def audit_sink(log_group: str, writer: str, session: Any = None, clock: Clock | None = None) -> Sink | None:
    """Return the audit trail in a log group, None for the log of the process. `writer` names the kind of process."""
    if not log_group:
        return None
    from analysis_jobs.stores.audit_log import AuditLogGroup  # noqa: PLC0415 - see the module

    return AuditLogGroup(_client("logs", _AUDIT_CONFIG, session=session), log_group, writer, clock or SystemClock())


def worker(settings: Settings) -> Worker:
    """Return the worker, which runs jobs."""
    from analysis_jobs.authoring.analysis import load_analyses  # noqa: PLC0415 - see the module
    from analysis_jobs.authoring.context import Services  # noqa: PLC0415
    from analysis_jobs.base.secrets import AwsSecrets, Secrets  # noqa: PLC0415
    from analysis_jobs.llm.bedrock.model import BedrockModel  # noqa: PLC0415
    from analysis_jobs.llm.prices import Prices  # noqa: PLC0415
    from analysis_jobs.llm.router import ModelRouter  # noqa: PLC0415
    from analysis_jobs.prompts import DynamoPromptStore  # noqa: PLC0415
    from analysis_jobs.worker.worker import Worker  # noqa: PLC0415

    clock = SystemClock()
    store, queue, artifacts = _store(settings, clock), _queue(settings), _artifacts(settings)
    analyses = _check_tiers(load_analyses(settings.analyses), settings)
    aws = AwsSecrets(lambda: _client("secretsmanager"), lambda: _client("ssm"))
    secrets = Secrets(variable, aws.read, clock, settings.secret_max_age)
    services = Services(
        artifacts=artifacts,
        prompts=DynamoPromptStore(_client("dynamodb"), settings.prompt_table_name, settings.code_version),
        model=ModelRouter(BedrockModel(_client("bedrock-runtime", MODEL_CONFIG)), secrets, settings.gemini_base_url),
        settings=settings,
        prices=Prices.parse(settings.model_prices, clock),
        secrets=secrets,
        documents=document_reader(settings),
    )
    return Worker(store, queue, analyses, services, clock)


def document_reader(settings: Settings) -> DocumentReader:
    """Return the document reader, with the limits and the OCR engine of the settings."""
    from analysis_jobs.documents.reader import DocumentReader, ReaderLimits  # noqa: PLC0415 - see the module
    from analysis_jobs.documents.turns import Turns  # noqa: PLC0415

    limits = ReaderLimits(settings.max_pages, settings.max_pixels, settings.reader_memory_mb)
    turns = Turns(settings.document_memory_mb // settings.reader_memory_mb)
    if settings.ocr_engine == "textract":
        from analysis_jobs.documents.textract import Textract  # noqa: PLC0415 - only needed with this engine

        return DocumentReader(limits, turns, Textract(_client("textract", _OCR_CONFIG)))
    if settings.ocr_engine == "none":
        return DocumentReader(limits, turns, None)
    return DocumentReader(limits, turns, settings.ocr_engine, languages=tuple(settings.ocr_languages.split(",")))


def sweeper(settings: Settings) -> Sweeper:
    """Return the sweeper. It loads no analyses: a broken analysis must not stop the sweep."""
    from analysis_jobs.sweeper.sweeper import Sweeper  # noqa: PLC0415 - see the module

    clock = SystemClock()
    return Sweeper(_store(settings, clock), _queue(settings), settings, clock, at_once=_SWEEP_THREADS)


def publisher(settings: EventSettings) -> Publisher:
    """Return the publisher of job events."""
    from analysis_jobs.events.channels import EventBridgeBus, SnsTopic, SqsDeadLetterSink  # noqa: PLC0415 - see the module
    from analysis_jobs.events.publisher import Publisher  # noqa: PLC0415
    from analysis_jobs.stores.streams import read_change  # noqa: PLC0415

    topic = settings.notice_topic_arn
    return Publisher(
        read=read_change,
        bus=EventBridgeBus(_client("events"), settings.event_bus_name),
        notices=SnsTopic(_client("sns"), topic) if topic else None,
        dead_letters=SqsDeadLetterSink(_client("sqs"), settings.event_dead_letter_queue_url),
        service=settings.powertools_service_name,
        clock=SystemClock(),
    )


def erasure(stack: StackNames, clock: Clock | None = None) -> Erasure:
    """Return the erasure of a stack's data, with the operator's AWS credentials."""
    from analysis_jobs.privacy.erasure import Erasure  # noqa: PLC0415 - only the command line needs it
    from analysis_jobs.stores.erasing import DynamoRows, S3Files, SqsDeadLetters  # noqa: PLC0415 - as above

    clock = clock or SystemClock()
    dynamodb, s3 = _client("dynamodb"), _client("s3", _S3_CONFIG)
    return Erasure(
        rows=DynamoRows(dynamodb, stack.table_name),
        store=DynamoJobStore(dynamodb, stack.table_name, clock),
        artifacts=S3ArtifactStore(s3, stack.bucket_name, stack.bucket_prefix),
        files=S3Files(s3, stack.bucket_name, stack.bucket_prefix),
        messages=SqsDeadLetters(_client("sqs")),
        queues=stack.dead_letter_queues,
        clock=clock,
    )


def export(stack: StackNames, clock: Clock | None = None) -> Export:
    """Return the export of a stack's data, with the operator's AWS credentials."""
    from analysis_jobs.privacy.export import Export  # noqa: PLC0415 - only the command line needs it
    from analysis_jobs.prompts.library import PromptError, PromptLibrary  # noqa: PLC0415 - as above
    from analysis_jobs.stores.erasing import DynamoRows, S3Files  # noqa: PLC0415 - as above
    from analysis_jobs.stores.items import to_item  # noqa: PLC0415 - as above

    dynamodb, s3 = _client("dynamodb"), _client("s3", _S3_CONFIG)
    library = PromptLibrary(dynamodb, stack.prompt_table_name)

    def prompt(name: str, version: int) -> dict[str, Any] | None:
        try:
            return asdict(library.version(name, version)) if stack.prompt_table_name else None
        except PromptError:
            return None

    return Export(
        rows=DynamoRows(dynamodb, stack.table_name),
        artifacts=S3ArtifactStore(s3, stack.bucket_name, stack.bucket_prefix),
        files=S3Files(s3, stack.bucket_name, stack.bucket_prefix),
        row_of=to_item,
        prompt=prompt,
        log_groups=stack.log_groups,
        clock=clock or SystemClock(),
    )


def every_message(sqs: Any, queue_url: str, wait_s: int) -> EveryMessage:
    """Return all messages of a queue, for a command that decides about each one."""
    from analysis_jobs.stores.receiving import EveryMessage  # noqa: PLC0415 - only the command line needs it

    return EveryMessage(sqs, queue_url, wait_s)


def caller_arn() -> str:
    """Return the ARN of the AWS credentials."""
    return str(_client("sts").get_caller_identity()["Arn"])


_Service: TypeAlias = Literal[
    "dynamodb", "sqs", "s3", "bedrock-runtime", "events", "logs", "sns", "secretsmanager", "ssm", "sts", "textract"
]


def _client(service: _Service, config: Config = _STORE_CONFIG, *, session: Any = None) -> Any:
    return (session or boto3).client(service, config=config)
