"""Logs and metrics. Logs are JSON lines with an `event` field. Metrics use CloudWatch's embedded metric format."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

_NAMESPACE = "AnalysisJobs"
_METRICS_LOCK = Lock()  # the jobs of one invocation run in threads
_STACK_LEVEL = 3  # makes the location of a log line the caller of `log`


@cache
def _logger() -> Logger:
    return Logger(utc=True)


@cache
def _metrics() -> Metrics:
    return Metrics(namespace=_NAMESPACE)


def log(event: str, message: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """Write one JSON line. Programs read `event`, people read `message`. Fields that are None are left out.

    With `error` the line is a warning and contains the stack trace.
    """
    extra = {"event": event, **{name: value for name, value in fields.items() if value is not None}}
    if error is None:
        _logger().info(message, extra=extra, stacklevel=_STACK_LEVEL)
    else:
        _logger().warning(message, extra=extra, exc_info=error, stacklevel=_STACK_LEVEL)


def count(metric: str, amount: int = 1) -> None:
    """Add to a counter. `flush` writes it."""
    with _METRICS_LOCK:
        _metrics().add_metric(metric, MetricUnit.Count, amount)


def measure(metric: str, duration: timedelta, analysis: str) -> None:
    """Write a duration of one job in seconds, with the dimensions service and analysis."""
    own = EphemeralMetrics(namespace=_NAMESPACE)
    own.add_dimension("analysis", analysis)
    own.add_metric(metric, MetricUnit.Seconds, duration.total_seconds())
    own.flush_metrics()


def measure_amounts(amounts: Mapping[str, float], analysis: str) -> None:
    """Write amounts of one job, by metric name, with the dimensions service and analysis."""
    own = EphemeralMetrics(namespace=_NAMESPACE)
    own.add_dimension("analysis", analysis)
    for metric, amount in amounts.items():
        own.add_metric(metric, MetricUnit.Count, amount)
    own.flush_metrics()


def flush() -> None:
    """Write the counters of this invocation, if there are any."""
    if _metrics().metric_set:
        _metrics().flush_metrics()
