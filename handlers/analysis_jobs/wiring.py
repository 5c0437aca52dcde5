"""Builds the services with their AWS clients. Each execution environment builds them once, on first use.

Each function imports what it builds: the sweeper, for example, pays neither for analyses nor for documents.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from botocore.config import Config

from analysis_jobs.base import malloc, tracing
from analysis_jobs.base.clock import Clock, SystemClock
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.observability import log
from analysis_jobs.base.settings import EventSettings, Settings, variable
from analysis_jobs.jobs.canaries import CANARY_LANE
from analysis_jobs.stores.clients import Clients
from analysis_jobs.stores.dynamo import DynamoJobStore
from analysis_jobs.stores.s3 import S3ArtifactStore
from analysis_jobs.stores.sqs import SqsJobQueue
from analysis_jobs.stores.waiting import DynamoWaitingSlots

if TYPE_CHECKING:
    from analysis_jobs.api.routes import Api
    from analysis_jobs.authoring.analysis import Analyses
    from analysis_jobs.base.audit import Sink
    from analysis_jobs.base.secrets import AwsSecrets, Secrets
    from analysis_jobs.documents.reader import DocumentReader
    from analysis_jobs.events.publisher import Publisher
    from analysis_jobs.llm.model import Model
    from analysis_jobs.privacy.erasure import Erasure
    from analysis_jobs.privacy.export import Export
    from analysis_jobs.privacy.stack import StackNames
    from analysis_jobs.stores.receiving import EveryMessage
    from analysis_jobs.submission.service import SubmissionService
    from analysis_jobs.sweeper.sweeper import Sweeper
    from analysis_jobs.worker.worker import Worker

# boto3's retry defaults have changed between versions, so they are set here: at most three requests of 10 s each.
# AWS validates every request. The client's own validation would only repeat that, for a tenth of the CPU of a request.
_STORE_CONFIG = Config(
    connect_timeout=3,
    read_timeout=10,
    retries={"mode": "standard", "total_max_attempts": 3},
    parameter_validation=False,
)
# Signature version 4, because newer buckets refuse older ones. The Region's own host name, because the global endpoint
# redirects an upload form, and browsers do not send the body again after a redirect.
_S3_CONFIG = _STORE_CONFIG.merge(Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
# boto3 keeps so many connections for each client.
_BOTO_CONNECTIONS = 10
# Each thread of a sweep waits for one request at a time, so boto3's connections are enough.
_SWEEP_THREADS = 8
# The heartbeats of an invocation send their requests at the same moments, and the jobs may send others meanwhile.
_CONNECTIONS_OF_A_JOB = 2
# A request waits for its audit line. If CloudWatch Logs does not take it, the line goes to the log of the process.
_AUDIT_CONFIG = Config(connect_timeout=1, read_timeout=2, retries={"mode": "standard", "total_max_attempts": 2})
# Textract needs a few seconds for a page.
_OCR_CONFIG = _STORE_CONFIG.merge(Config(read_timeout=60))
# No retries in the client: each request is billed, and the job engine decides about retries. `BedrockModel` sets the
# read timeout of each request: it limits the silence of the stream, which includes the wait for the first token.
MODEL_CONFIG = Config(connect_timeout=5, read_timeout=120, retries={"mode": "standard", "total_max_attempts": 1})
# Contains the ARN of a secret with headers for the collector of traces, in the form of OTEL_EXPORTER_OTLP_HEADERS.
_HEADERS_SECRET = "OTEL_HEADERS_SECRET"  # noqa: S105 - the name of a variable


def _queue(settings: Settings, aws: Clients) -> SqsJobQueue:
    """Return the queues of the lanes, and that of canaries if there is one. No caller can name the latter."""
    canary = {CANARY_LANE: settings.canary_queue_url} if settings.canary_queue_url else {}
    return SqsJobQueue(aws.client("sqs", _STORE_CONFIG), {**settings.queue_urls, **canary})


def submissions(
    settings: Settings, analyses: Analyses | None = None, session: Any = None, clock: Clock | None = None
) -> SubmissionService:
    """Return the service that accepts jobs. Raises `ConfigurationError` for analyses that cannot run here.

    Without `analyses` the modules of the setting are imported. A backend gives its own boto3 `session`.
    """
    return _submissions(settings, Clients(session), analyses, clock)


def _submissions(
    settings: Settings, aws: Clients, analyses: Analyses | None = None, clock: Clock | None = None
) -> SubmissionService:
    from analysis_jobs.authoring.analysis import load_analyses  # noqa: PLC0415 - see the module
    from analysis_jobs.submission.service import SubmissionService  # noqa: PLC0415

    clock = clock or SystemClock()
    return SubmissionService(
        store=_store(settings, aws, clock),
        queue=_queue(settings, aws),
        artifacts=_artifacts(settings, aws),
        analyses=_check_tiers(load_analyses(settings.analyses) if analyses is None else analyses, settings),
        settings=settings,
        clock=clock,
    )


def _store(settings: Settings, aws: Clients, clock: Clock) -> DynamoJobStore:
    return DynamoJobStore(aws.client("dynamodb", _STORE_CONFIG), settings.table_name, clock)


def _artifacts(settings: Settings, aws: Clients) -> S3ArtifactStore:
    # Lazy: a job with a small input, no documents and a small result needs no bucket.
    return S3ArtifactStore(aws.client("s3", _S3_CONFIG, lazy=True), settings.bucket_name, settings.bucket_prefix)


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

    aws = Clients()
    _start_tracing(settings, aws)
    waiting = DynamoWaitingSlots(
        aws.client("dynamodb", _STORE_CONFIG),
        settings.table_name,
        settings.max_waiting_per_tenant,
        settings.max_waiting,
    )
    sink = _audit_sink(settings.audit_log_group, "api", aws, SystemClock())
    return Api.build(_submissions(settings, aws), settings.tenant_claim, waiting, sink)


def audit_sink(log_group: str, writer: str, session: Any = None, clock: Clock | None = None) -> Sink | None:
    """Return the audit trail in a log group, None for the log of the process. `writer` names the kind of process."""
    return _audit_sink(log_group, writer, Clients(session), clock or SystemClock())


def _audit_sink(log_group: str, writer: str, aws: Clients, clock: Clock) -> Sink | None:
    if not log_group:
        return None
    from analysis_jobs.stores.audit_log import AuditLogGroup  # noqa: PLC0415 - see the module

    return AuditLogGroup(aws.client("logs", _AUDIT_CONFIG, lazy=True), log_group, writer, clock)


def worker(settings: Settings) -> Worker:
    """Return the worker, which runs jobs."""
    from analysis_jobs.authoring.analysis import load_analyses  # noqa: PLC0415 - see the module
    from analysis_jobs.authoring.context import Services  # noqa: PLC0415
    from analysis_jobs.base.secrets import Secrets  # noqa: PLC0415
    from analysis_jobs.llm.prices import Prices  # noqa: PLC0415
    from analysis_jobs.prompts import DynamoPromptStore  # noqa: PLC0415
    from analysis_jobs.worker.worker import Worker  # noqa: PLC0415

    if settings.sending_bytes is not None:
        malloc.return_large_blocks()
    connections = max(_BOTO_CONNECTIONS, _CONNECTIONS_OF_A_JOB * settings.jobs_per_invocation)
    aws, clock = Clients(connections=connections), SystemClock()
    _start_tracing(settings, aws)
    store, queue, artifacts = _store(settings, aws, clock), _queue(settings, aws), _artifacts(settings, aws)
    analyses = _check_tiers(load_analyses(settings.analyses), settings)
    secrets = Secrets(variable, _vault(aws).read, clock, settings.secret_max_age)
    services = Services(
        artifacts=artifacts,
        prompts=DynamoPromptStore(
            aws.client("dynamodb", _STORE_CONFIG), settings.prompt_table_name, settings.code_version
        ),
        model=_model(settings, aws, secrets),
        settings=settings,
        prices=Prices.parse(settings.model_prices, clock),
        secrets=secrets,
        documents=document_reader(settings, aws),
    )
    return Worker(store, queue, analyses, services, clock, source=queue)


def _model(settings: Settings, aws: Clients, secrets: Secrets) -> Model:
    from analysis_jobs.llm.bedrock.model import BedrockModel  # noqa: PLC0415 - see the module
    from analysis_jobs.llm.router import GEMINI_URL, ModelRouter  # noqa: PLC0415
    from analysis_jobs.llm.sending import Sending  # noqa: PLC0415

    bedrock = aws.client("bedrock-runtime", MODEL_CONFIG)
    sending = Sending(settings.sending_bytes)
    model = ModelRouter(BedrockModel(bedrock, sending=sending), secrets, settings.gemini_base_url, sending)
    if not settings.opentelemetry:
        return model
    from analysis_jobs.llm.traced import TracedModel  # noqa: PLC0415 - only needed with this setting

    return TracedModel(model, bedrock.meta.endpoint_url, settings.gemini_base_url or GEMINI_URL)


def _vault(aws: Clients) -> AwsSecrets:
    from analysis_jobs.base.secrets import AwsSecrets  # noqa: PLC0415 - see the module

    return AwsSecrets(lambda: aws.client("secretsmanager", _STORE_CONFIG), lambda: aws.client("ssm", _STORE_CONFIG))


def _start_tracing(settings: Settings, aws: Clients) -> None:
    """Trace this function, if the settings say so.

    Without the secret of the headers it goes on without traces: a job must not depend on its traces.
    """
    if not settings.opentelemetry:
        tracing.use(None)
        return
    from analysis_jobs.base.otel_export import start  # noqa: PLC0415 - only needed with this setting

    try:
        arn = variable(_HEADERS_SECRET)
        headers = _vault(aws).read(arn) if arn else ""
    except Exception as error:  # noqa: BLE001 - see above
        log("tracing.off", "there are no traces: the secret of the headers cannot be read", error=error)
        tracing.use(None)
        return
    tracing.use(start(timedelta(seconds=settings.opentelemetry_timeout_s), headers))


def document_reader(settings: Settings, aws: Clients | None = None) -> DocumentReader:
    """Return the document reader, with the limits and the OCR engine of the settings."""
    from analysis_jobs.documents.reader import DocumentReader, ReaderLimits  # noqa: PLC0415 - see the module
    from analysis_jobs.documents.turns import Turns  # noqa: PLC0415

    limits = ReaderLimits(settings.max_pages, settings.max_pixels, settings.reader_memory_mb)
    turns = Turns(settings.document_memory_mb // settings.reader_memory_mb)
    if settings.ocr_engine == "textract":
        from analysis_jobs.documents.textract import Textract  # noqa: PLC0415 - only needed with this engine

        return DocumentReader(limits, turns, Textract((aws or Clients()).client("textract", _OCR_CONFIG)))
    if settings.ocr_engine == "none":
        return DocumentReader(limits, turns, None)
    return DocumentReader(limits, turns, settings.ocr_engine, languages=tuple(settings.ocr_languages.split(",")))


def sweeper(settings: Settings) -> Sweeper:
    """Return the sweeper. It loads no analyses: a broken analysis must not stop the sweep."""
    from analysis_jobs.sweeper.sweeper import Sweeper  # noqa: PLC0415 - see the module

    aws, clock = Clients(), SystemClock()
    return Sweeper(_store(settings, aws, clock), _queue(settings, aws), settings, clock, at_once=_SWEEP_THREADS)


def publisher(settings: EventSettings) -> Publisher:
    """Return the publisher of job events."""
    from analysis_jobs.events.channels import EventBridgeBus, SnsTopic, SqsDeadLetterSink  # noqa: PLC0415 - see the module
    from analysis_jobs.events.publisher import Publisher  # noqa: PLC0415
    from analysis_jobs.stores.streams import read_change  # noqa: PLC0415

    aws, topic = Clients(), settings.notice_topic_arn
    return Publisher(
        read=read_change,
        bus=EventBridgeBus(aws.client("events", _STORE_CONFIG), settings.event_bus_name),
        notices=SnsTopic(aws.client("sns", _STORE_CONFIG), topic) if topic else None,
        dead_letters=SqsDeadLetterSink(aws.client("sqs", _STORE_CONFIG), settings.event_dead_letter_queue_url),
        service=settings.powertools_service_name,
        clock=SystemClock(),
    )


def erasure(stack: StackNames, clock: Clock | None = None) -> Erasure:
    """Return the erasure of a stack's data, with the operator's AWS credentials."""
    from analysis_jobs.privacy.erasure import Erasure  # noqa: PLC0415 - only the command line needs it
    from analysis_jobs.stores.erasing import DynamoRows, S3Files, SqsDeadLetters  # noqa: PLC0415 - as above

    clock = clock or SystemClock()
    aws = Clients()
    dynamodb, s3 = aws.client("dynamodb", _STORE_CONFIG), aws.client("s3", _S3_CONFIG)
    return Erasure(
        rows=DynamoRows(dynamodb, stack.table_name),
        store=DynamoJobStore(dynamodb, stack.table_name, clock),
        artifacts=S3ArtifactStore(s3, stack.bucket_name, stack.bucket_prefix),
        files=S3Files(s3, stack.bucket_name, stack.bucket_prefix),
        messages=SqsDeadLetters(aws.client("sqs", _STORE_CONFIG)),
        queues=stack.dead_letter_queues,
        clock=clock,
    )


def export(stack: StackNames, clock: Clock | None = None) -> Export:
    """Return the export of a stack's data, with the operator's AWS credentials."""
    from analysis_jobs.privacy.export import Export  # noqa: PLC0415 - only the command line needs it
    from analysis_jobs.prompts.library import PromptError, PromptLibrary  # noqa: PLC0415 - as above
    from analysis_jobs.stores.erasing import DynamoRows, S3Files  # noqa: PLC0415 - as above
    from analysis_jobs.stores.items import to_item  # noqa: PLC0415 - as above

    aws = Clients()
    dynamodb, s3 = aws.client("dynamodb", _STORE_CONFIG), aws.client("s3", _S3_CONFIG)
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
    return str(Clients().client("sts", _STORE_CONFIG).get_caller_identity()["Arn"])
