"""CloudWatch in small: values of metrics with the time of their arrival, and the documented evaluation of an alarm.

https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarm-evaluation.html
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

OK, ALARM, NO_DATA = "OK", "ALARM", "INSUFFICIENT_DATA"
EVERY_S = 60  # how often an alarm with a period of a minute or more is evaluated
# How late a value arrives. With more than a minute, an alarm on one period of a minute could not see it.
DELIVERY_S = {"AWS/ApiGateway": 120, "AWS/Lambda": 120, "AWS/SQS": 30}
_LOG_DELIVERY_S = 30  # of a metric filter

_STATISTICS: Mapping[str, Callable[[list[float]], float]] = {"Maximum": max, "Sum": sum}

type Metric = tuple[str, str, frozenset[tuple[str, str]]]


@dataclass(frozen=True)
class Value:
    """One value of a metric. `at` is its timestamp, `arrives` when CloudWatch has it; both in seconds."""

    at: float
    arrives: float
    value: float


@dataclass(frozen=True)
class Reading:
    """One reading of what the documentation leaves open.

    `aligned`: periods begin at multiples of their length, or else each evaluation ends one. `extra`: how many periods
    before the evaluation periods are read, to make up for missing datapoints.
    """

    aligned: bool
    extra: int


READINGS = [Reading(*each) for each in product((True, False), (0, 2))]


@dataclass
class CloudWatch:
    """Keeps values, and tells the states of an alarm."""

    values: dict[Metric, list[Value]] = field(default_factory=dict)

    def put(  # noqa: PLR0917 - what CloudWatch keeps of a value
        self,
        namespace: str,
        name: str,
        dimensions: Mapping[str, str],
        value: float,
        at: float,
        sent: float | None = None,
    ) -> None:
        """Keep a value with the timestamp `at`, which the service sends at that time or at `sent`."""
        metric = (namespace, name, frozenset(dimensions.items()))
        arrives = (at if sent is None else sent) + DELIVERY_S.get(namespace, _LOG_DELIVERY_S)
        self.values.setdefault(metric, []).append(Value(at, arrives, value))

    def rings(self, alarm: Mapping[str, Any], until: float) -> bool:
        """Return whether the alarm rings at some time, in every reading."""
        return all(ALARM in self.states(alarm, until, reading) for reading in READINGS)

    def is_quiet(self, alarm: Mapping[str, Any], until: float) -> bool:
        """Return whether the alarm never rings, in any reading."""
        return not any(ALARM in self.states(alarm, until, reading) for reading in READINGS)

    def states(self, alarm: Mapping[str, Any], until: float, reading: Reading) -> Iterator[str]:
        """Yield the state of the alarm at each evaluation, from its creation at 0."""
        metric = (alarm["namespace"], alarm["metric_name"], frozenset((alarm["dimensions"] or {}).items()))
        values, state = self.values.get(metric, []), NO_DATA
        for now in range(EVERY_S, int(until) + EVERY_S, EVERY_S):
            points = self._points(alarm, values, now, reading)
            state = next_state(points, alarm, state)
            yield state

    def _points(
        self, alarm: Mapping[str, Any], values: Sequence[Value], now: int, reading: Reading
    ) -> list[float | None]:
        """Return the datapoints of the evaluation range, the newest first. None is a missing one."""
        period, combine = alarm["period"], _STATISTICS[alarm["statistic"]]
        end = now // period * period if reading.aligned else now
        number = alarm["evaluation_periods"] + reading.extra
        found: list[list[float]] = [[] for _ in range(number)]
        for value in values:
            place = int((end - value.at + period - 1) // period) - 1 if value.at < end else -1
            if 0 <= place < number and value.arrives <= now:
                found[place].append(value.value)
        return [combine(each) if each else None for each in found]


def next_state(points: Sequence[float | None], alarm: Mapping[str, Any], before: str) -> str:
    """Return the state after an evaluation. `points` are those of the evaluation range, the newest first."""
    periods = alarm["evaluation_periods"]
    needed = alarm["datapoints_to_alarm"] or periods
    newest = [point for point in points if point is not None][:periods]
    breaching = sum(_breaches(point, alarm) for point in newest)
    missing, treated = periods - len(newest), alarm["treat_missing_data"]
    assert treated in {"breaching", "ignore", "notBreaching"}
    if breaching + (missing if treated == "breaching" else 0) >= needed:
        return ALARM
    if treated == "ignore" and missing and breaching == len(newest):
        return before  # nothing that was measured contradicts it
    return OK


def _breaches(point: float, alarm: Mapping[str, Any]) -> bool:
    threshold = float(alarm["threshold"])
    return {"GreaterThanThreshold": point > threshold, "LessThanThreshold": point < threshold}[
        alarm["comparison_operator"]
    ]
