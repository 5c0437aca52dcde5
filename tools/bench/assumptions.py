"""What all designs have in common: the jobs that are compared, and what nobody can measure without AWS."""

from bench.prices import Bill

JOBS = 1_000
MEAN_S = 300
VARIATION = 0.5
POLLS = 20
# Queued, processing, completed: one event each.
TRANSITIONS = 3
# A request waits for DynamoDB most of its time. The events function publishes one event in each invocation.
API_S, API_MB = 0.020, 512
EVENT_S, EVENT_MB = 0.060, 256
# What Lambda logs of each invocation (START and REPORT), API Gateway of each request, and an event.
PLATFORM_BYTES, ACCESS_BYTES, EVENT_BYTES = 500, 500, 400


def add_calls(made: Bill, calls: int, time: str) -> None:
    """Add calls of the HTTP API. `time` is the price of the function's time."""
    made.add("http_request", calls)
    made.add("lambda_request", calls)
    made.add(time, calls * API_S * API_MB / 1_024)
    made.add("log_byte", calls * (PLATFORM_BYTES + ACCESS_BYTES))
