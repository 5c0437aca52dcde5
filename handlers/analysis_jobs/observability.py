"""Logs and metrics: JSON lines that say `event=`, and counters in CloudWatch's embedded metric format."""

from functools import cache
from threading import Lock
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

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


def flush() -> None:
    """Write the counters of this invocation, if there are any."""
    if _metrics().metric_set:
        _metrics().flush_metrics()
