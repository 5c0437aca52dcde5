"""The alarms of a stack, watched while callers move to a new version."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from analysis_jobs.base.batches import batches
from analysis_jobs.base.clock import Clock
from analysis_jobs_dev.release.errors import ReleaseError

_PAUSE = timedelta(seconds=10)
_NAMES_PER_REQUEST = 100  # the limit of DescribeAlarms


@dataclass
class Alarms:
    """Watches alarms. Those that rang before the move count only after they have been quiet: the release may end them.

    `ignored` are the names of such alarms.
    """

    client: Any
    names: Sequence[str]
    clock: Clock
    ignored: set[str] = field(default_factory=set)

    def begin(self) -> list[str]:
        """Ignore the alarms that ring now, and return their names."""
        self.ignored = set(self.ringing())
        return sorted(self.ignored)

    def watch(self, duration: timedelta, check: Any = lambda: None) -> None:  # noqa: ANN401 - a callable
        """Watch for a time; at least once. Raises `ReleaseError` as soon as an alarm rings that was quiet before.

        `check` is called before each look, and may raise.
        """
        until = self.clock.now() + duration
        while True:
            check()
            ringing = self.ringing()
            self.ignored &= ringing.keys()
            if new := {name: reason for name, reason in ringing.items() if name not in self.ignored}:
                raise ReleaseError(
                    f"The alarm {', '.join(sorted(new))} rings.", [f"{name}: {new[name]}" for name in sorted(new)]
                )
            left = until - self.clock.now()
            if left <= timedelta():
                return
            self.clock.sleep(min(left, _PAUSE))

    def ringing(self) -> Mapping[str, str]:
        """Return the reasons of the alarms that ring, by name."""
        found: dict[str, str] = {}
        for names in batches(self.names, _NAMES_PER_REQUEST):
            for page in self.client.get_paginator("describe_alarms").paginate(AlarmNames=list(names)):
                ringing = [each for each in page["MetricAlarms"] if each["StateValue"] == "ALARM"]
                found |= {each["AlarmName"]: each.get("StateReason", "") for each in ringing}
        return found
