"""Logs and metrics. Logs are JSON lines with an `event` field. Metrics use CloudWatch's embedded metric format.

Powertools is imported on first use: a program that only declares an analysis, or calls the API, need not have it.

No line contains the message of an exception, because it may quote a document. See `error_facts`.
"""

import functools
import json
import logging
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar

from analysis_jobs.base.error_facts import describe_error, error_fields
from analysis_jobs.base.errors import ConfigurationError, InvocationFailedError
from analysis_jobs.base.settings import variable
from analysis_jobs.base.snapshots import reseed_after_restore
from analysis_jobs.base.tracing import trace_id

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger, Metrics
    from aws_lambda_powertools.metrics import EphemeralMetrics

Event = TypeVar("Event")
Answer = TypeVar("Answer")

_NAMESPACE = "AnalysisJobs"
_COUNT, _SECONDS = "Count", "Seconds"  # units of CloudWatch
_SCOPE: ContextVar[Counter[str] | None] = ContextVar("_SCOPE", default=None)
_METRICS_LOCK = Lock()  # the jobs of one invocation run in threads
UNKNOWN_ANALYSIS = "unknown"
"""The dimension of a job whose analysis is not deployed: its name may be any text, and CloudWatch bills each value."""
_LINE = json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=False)
_STACK_LEVEL = 3  # makes the location of a log line the caller of `log`


@cache
def _logger() -> "Logger":
    from aws_lambda_powertools import Logger  # noqa: PLC0415 - see above

    # Powertools would parse each message as JSON, and make an encoder for each line.
    logger = Logger(utc=True, json_serializer=_LINE.encode, json_deserializer=str)
    # Powertools prefers Lambda's own level to this variable. The module keeps Lambda's level at INFO or below: Lambda
    # would drop the lines of metrics too, because a line without a level counts as INFO.
    if level := variable("POWERTOOLS_LOG_LEVEL"):
        logging.getLogger(logger.service).setLevel(level.upper())
    return logger


@cache
def _metrics() -> "Metrics":
    from aws_lambda_powertools import Metrics  # noqa: PLC0415 - see above

    return Metrics(namespace=_NAMESPACE)


def _own_metrics(analysis: str | None = None, service: str | None = None) -> "EphemeralMetrics":
    from aws_lambda_powertools.metrics import EphemeralMetrics  # noqa: PLC0415 - see above

    own = EphemeralMetrics(namespace=_NAMESPACE, service=service)
    if analysis:
        own.add_dimension("analysis", analysis)
    return own


def log(event: str, message: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """Write one JSON line. Programs read `event`, people read `message`. Fields that are None are left out.

    In a trace, the field `trace_id` names it.

    With `error` the line is a warning. It names the class and the place of the error, of its causes and of the frames
    of its stack, but not their messages.
    """
    about = error_fields(error) if error else {}
    given = {"trace_id": trace_id(), **fields, **about}
    extra = {"event": event, **{name: value for name, value in given.items() if value is not None}}
    write = _logger().warning if error else _logger().info
    write(message, extra=extra, stacklevel=_STACK_LEVEL)


def log_always(event: str, message: str, **fields: Any) -> None:
    """Write a line as `log` does, with the level INFO, also if the logger's level is higher."""
    logger = logging.getLogger(_logger().service)
    extra = {"event": event, **fields}
    logger.handle(
        logger.makeRecord(logger.name, logging.INFO, __file__, 0, message, (), None, func="log_always", extra=extra)
    )


def contained(handler: Callable[[Event, Any], Answer]) -> Callable[[Event, Any], Answer]:
    """Decorate the handler of a function: what Python and Lambda print about an error has no message either.

    Lambda logs the message of an exception that a handler raises. So the handler raises `InvocationFailedError`, with
    the class and the place of the exception. A `ConfigurationError` stays as it is: it comes from the deployment.
    """
    # Every function writes logs: load Powertools while Lambda initialises the function, not with the first event.
    import aws_lambda_powertools.metrics  # noqa: PLC0415, F401 - see above

    reseed_after_restore()

    @functools.wraps(handler)
    def handle(event: Event, context: Any) -> Answer:
        _redirect_output()
        try:
            return handler(event, context)
        except (ConfigurationError, InvocationFailedError):
            raise
        except (Exception, SystemExit) as error:  # noqa: BLE001 - every error
            log("invocation.failed", "the invocation failed", error=error)
            failure = InvocationFailedError(describe_error(error))
        raise failure

    return handle


@cache
def _redirect_output() -> None:
    """Log warnings and errors that Python would print with their message: of `warnings`, threads and finalizers.

    Only on Lambda: elsewhere, the program that imports this library decides.
    """
    if not variable("AWS_LAMBDA_FUNCTION_NAME"):
        return

    def warn(message: object, category: type[Warning], filename: str, lineno: int, *_: Any) -> None:  # noqa: ARG001
        # For example, pydantic's warning about serialization quotes the value.
        log("python.warning", "Python gave a warning", category=category.__name__, place=f"{filename}:{lineno}")

    def report(unhandled: Any) -> None:
        log("python.unhandled", "an error in a thread or a finalizer was not handled", error=unhandled.exc_value)

    logging.raiseExceptions = False  # a line that cannot be written is not worth the traceback of the job's error
    warnings.showwarning = warn  # type: ignore[assignment]  # it ignores the last two parameters
    threading.excepthook = report
    sys.unraisablehook = report


def count(metric: str, amount: int = 1) -> None:
    """Add to a counter. `flush` writes it, or the end of `counting_for`."""
    if (scope := _SCOPE.get()) is not None:
        scope[metric] += amount
        return
    with _METRICS_LOCK:
        _metrics().add_metric(metric, _COUNT, amount)


@contextmanager
def counting_for(service: str | None) -> Iterator[None]:
    """Count for another service than the one of this process, and write the counters at the end of the block.

    A backend of another stack counts for the service of the module, so that the module's alarms see its jobs. With
    None, nothing is written.
    """
    counted: Counter[str] = Counter()
    token = _SCOPE.set(counted)
    try:
        yield
    finally:
        _SCOPE.reset(token)
        if counted and service:
            own = _own_metrics(service=service)
            for metric, amount in counted.items():
                own.add_metric(metric, _COUNT, amount)
            own.flush_metrics()


def measure(metric: str, duration: timedelta, analysis: str) -> None:
    """Write a duration of one job in seconds, with the dimensions service and analysis."""
    own = _own_metrics(analysis)
    own.add_metric(metric, _SECONDS, duration.total_seconds())
    own.flush_metrics()


def measure_amounts(amounts: Mapping[str, float], analysis: str) -> None:
    """Write amounts of one job, by metric name, with the dimensions service and analysis."""
    own = _own_metrics(analysis)
    for metric, amount in amounts.items():
        own.add_metric(metric, _COUNT, amount)
    own.flush_metrics()


def measure_total(metric: str, amount: float) -> None:
    """Write an amount with the dimension service alone. An alarm cannot add the values of several analyses up."""
    own = _own_metrics()
    own.add_metric(metric, _COUNT, amount)
    own.flush_metrics()


def flush() -> None:
    """Write the counters of this invocation, if there are any."""
    if _metrics().metric_set:
        _metrics().flush_metrics()
