"""The write units of a job of five minutes, by its checkpoints, its heartbeats and the size of its input."""

import json

from bench.counted import BEATS, Plan
from bench.figures import Figure
from bench.processes import result_of

_TOPIC = "units"
_CASES = {
    "a job of 5 minutes": Plan(),
    "without heartbeats": Plan(beats=0),
    "with 10 checkpoints": Plan(parts=10),
    "with 100 checkpoints": Plan(parts=100),
    "with an input of 1 KB": Plan(input_bytes=1_000),
    "with an input of 4 KB": Plan(input_bytes=4_000),
    "with an input of 100 KB": Plan(input_bytes=100_000),
}


def measure() -> list[Figure]:
    """Return the units of each case, and the requests that keep ten jobs of an invocation."""
    figures = [_case(name, plan) for name, plan in _CASES.items()]
    together = result_of("counted", json.dumps({"jobs": 10}))
    requests = sum(together["work"]["requests"].values()) / 10
    alone = figures[0]
    return [
        *figures,
        Figure(_TOPIC, "requests of the worker, one job in an invocation", _sent(_CASES[alone.name]), "", counted=True),
        Figure(_TOPIC, "requests of the worker, each of ten jobs in an invocation", requests, "", counted=True),
        Figure(_TOPIC, "stream records that start the events function", _events(together), "", counted=True),
    ]


def _case(name: str, plan: Plan) -> Figure:
    counts = result_of("counted", _text(plan))
    kinds: dict[str, float] = {}
    for step in ("submit", "work"):
        for kind, units in counts[step]["units"].items():
            kinds[kind] = kinds.get(kind, 0) + units
    detail = ", ".join(f"{kind} {units:g}" for kind, units in kinds.items()) if len(kinds) > 1 else ""
    return Figure(_TOPIC, name, sum(kinds.values()), "write units", counted=True, detail=detail)


def _sent(plan: Plan) -> float:
    return float(sum(result_of("counted", _text(plan))["work"]["requests"].values()))


def _events(together: dict[str, dict[str, int]]) -> float:
    return sum(step["events"] for step in together.values()) / 10


def _text(plan: Plan) -> str:
    return json.dumps({"parts": plan.parts, "input_bytes": plan.input_bytes, "beats": plan.beats})


# For the text of the section.
HEARTBEATS = BEATS
