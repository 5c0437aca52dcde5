"""What the span of an attempt says about its end."""

from analysis_jobs.base.error_codes import safe_code
from analysis_jobs.base.tracing import Span
from analysis_jobs.worker.outcome import Cancelled, Completed, Ending, LeaseLost, TimeIsUp
from analysis_jobs.worker.retry_policy import Action, Decision

_OUTCOME = "analysis_jobs.outcome"


def describe_end(span: Span, attempt: Ending) -> None:
    """Set the outcome of an attempt. An attempt that only waits or continues has not failed."""
    match attempt.outcome:
        case Completed():
            span.set({_OUTCOME: "completed"})
        case Cancelled():
            span.set({_OUTCOME: "cancelled"})
        case TimeIsUp() if attempt.gained:
            span.set({_OUTCOME: "continued"})
        case TimeIsUp():
            span.set({_OUTCOME: "out_of_time"})
            span.fail("stage_timeout")
        case LeaseLost():
            span.set({_OUTCOME: "lease_lost"})
            span.fail("lease_lost")
        case Decision() as decision:
            outcomes = {Action.FAIL: "failed", Action.RETRY: "failed", Action.DEFER: "deferred"}
            span.set({_OUTCOME: outcomes[decision.action]})
            if decision.action is not Action.DEFER:
                span.fail(safe_code(decision.code))
