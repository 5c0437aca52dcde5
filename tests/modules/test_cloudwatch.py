"""The model of CloudWatch evaluates an alarm as AWS documents it."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.modules.cloudwatch import ALARM, OK, next_state

# The tables of https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/alarms-and-missing-data.html:
# datapoints with the newest at the right, and the states for ignore, breaching and notBreaching. "-" keeps the state.
DOCUMENTED: Mapping[tuple[int, int], Mapping[str, tuple[str, str, str]]] = {
    (3, 3): {
        "0-X-X": (OK, OK, OK),
        "0----": (OK, OK, OK),
        "-----": ("-", ALARM, OK),
        "0XX-X": (ALARM, ALARM, ALARM),
        "--X--": ("-", ALARM, OK),
    },
    (2, 3): {
        "0-X-X": (ALARM, ALARM, ALARM),
        "00X0X": (ALARM, ALARM, ALARM),
        "0-X--": (OK, ALARM, OK),
        "----0": (OK, ALARM, OK),
        "---X-": ("-", ALARM, OK),
    },
}


@pytest.mark.parametrize("numbers", DOCUMENTED)
def test_the_evaluation_is_the_documented_one(numbers: tuple[int, int]) -> None:
    needed, periods = numbers
    found = {}
    for points in DOCUMENTED[numbers]:
        values = [{"0": 0.0, "X": 9.0, "-": None}[point] for point in reversed(points)]
        alarm: dict[str, Any] = {"evaluation_periods": periods, "datapoints_to_alarm": needed, "threshold": 3}
        alarm["comparison_operator"] = "GreaterThanThreshold"
        found[points] = tuple(
            next_state(values, alarm | {"treat_missing_data": treated}, "-")
            for treated in ("ignore", "breaching", "notBreaching")
        )
    assert found == DOCUMENTED[numbers]
