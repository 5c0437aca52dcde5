"""Logs and metrics: JSON lines that say `event=`, and counters in CloudWatch's embedded metric format."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from threading import Lock
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

_NAMESPACE = "AnalysisJobs"
_COUNTING = Lock()  # the jobs of one invocation run in threads
_CALLER = 3  # a line's location is where `log` was called


@cache
def _logger() -> Logger:
    return Logger(utc=True)


@cache
def _metrics() -> Metrics:
    return Metrics(namespace=_NAMESPACE)


def log(event: str, message: str, *, error: BaseException | None = None, **fields: Any) -> None:
    """Write one JSON line: `event` for programs, `message` for people; with `error` as a warning with its trace."""
    extra = {"event": event, **{name: value for name, value in fields.items() if value is not None}}
    if error is None:
        _logger().info(message, extra=extra, stacklevel=_CALLER)
    else:
        _logger().warning(message, extra=extra, exc_info=error, stacklevel=_CALLER)


def count(metric: str, amount: int = 1) -> None:
    """Add to a counter; `flush` writes it."""
    with _COUNTING:
        _metrics().add_metric(metric, MetricUnit.Count, amount)


def measure(metric: str, duration: timedelta, analysis: str) -> None:
    """Write a time of one job, in seconds, with its analysis as a dimension beside the service."""
    own = EphemeralMetrics(namespace=_NAMESPACE)
    own.add_dimension("analysis", analysis)
    own.add_metric(metric, MetricUnit.Seconds, duration.total_seconds())
    own.flush_metrics()


def measure_amounts(amounts: Mapping[str, float], analysis: str) -> None:
    """Write amounts of one job by their metrics' names, with its analysis as a dimension beside the service."""
    own = EphemeralMetrics(namespace=_NAMESPACE)
    own.add_dimension("analysis", analysis)
    for metric, amount in amounts.items():
        own.add_metric(metric, MetricUnit.Count, amount)
    own.flush_metrics()


def flush() -> None:
    """Write the counters of this invocation, if there are any."""
    if _metrics().metric_set:
        _metrics().flush_metrics()
