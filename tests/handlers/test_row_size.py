"""How large a row is, and which inputs are cheaper in the row than in the bucket."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from analysis_jobs.base.usage import Usage
from analysis_jobs.jobs.record import HistoryEntry, JobFailure, JobKey, JobRecord, Payload, StoredFile
from analysis_jobs.jobs.row_size import bytes_left, row_bytes
from analysis_jobs.jobs.transitions import Status
from analysis_jobs.stores.items import to_item
from tests.faults.capacity import size, write_units
from tests.handlers.builders import START, a_job

# USD for a million, in us-east-1.
WRITE_UNIT = 0.625
PUT_AND_GET = 5.40
WRITES = 23  # of a job of 300 s: creation, claim, 20 heartbeats, end
USAGE = Usage(41_230, 1_873)
RAN: dict[str, Any] = {
    "status": Status.PROCESSING,
    "attempt": 1,
    "fence": 1,
    "lease_until": START,
    "code_version": "9f2c1a7be310",
    "history": (HistoryEntry(START, "claim", Status.PROCESSING),),
    "progress": 40,
    "usage": USAGE,
    "models": {"eu.anthropic.claude-sonnet-5-5-20260401-v1:0": USAGE},
    "cost_usd": Decimal("0.1832"),
    "prompts": {"read_document": "credentials/read@v3", "judge": "credentials/judge@v2"},
    "stages_completed": ("read_document",),
}
OWNED = {"subject": "books/9781234567890", "client": "c-1234", "project": "p-33"}
TIERED = {"tier": "gold", "tier_rank": 1, "claimed_via": JobKey("acme", "0" * 26)}


def a_row(**fields: Any) -> JobRecord:
    given: dict[str, Any] = {"tenant": "acme-publishing", "analysis": "credential-extraction", "input": Payload()}
    return replace(a_job(), **given | {"stage": "read_document", "deadline": START + timedelta(days=1)} | fields)


ROWS = {
    "new": a_row(),
    "new, with owners": a_row(**OWNED),
    "ran": a_row(**RAN),
    "of a tier": a_row(**RAN, **OWNED, **TIERED),
    "with a letter of two bytes": a_row(**OWNED | {"subject": "bücher/" + "ü" * 50}),
    "failed before": a_row(**RAN, failure=JobFailure("worker_lost", "cut off " * 90, retryable=True)),
    "with files": a_row(**RAN, files={f"page-{n}.pdf": StoredFile(1, 12_345, "application/pdf") for n in range(9)}),
    "with checkpoints": a_row(**RAN, checkpoints={f"read/part-{n}": "1.2-" + "a" * 49 for n in range(50)}),
}


@pytest.mark.parametrize("name", ROWS)
def test_the_estimate_is_within_a_tenth_of_the_size(name: str) -> None:
    row = ROWS[name]
    actual = size(to_item(row))
    assert abs(row_bytes(row) - actual) <= actual / 10, f"{row_bytes(row)} for {actual}"


def cost(job: JobRecord, text: str, *, inline: bool) -> float:
    """Return what the writes of a job and its bucket cost, in USD for a million jobs."""
    held = replace(job, input=Payload(text=text) if inline else Payload(key=f"jobs/acme/{job.job_id}/0-input.json"))
    ran = replace(held, **RAN)
    units = write_units(None, to_item(held)) + (WRITES - 1) * write_units(to_item(ran), to_item(ran))
    return units * WRITE_UNIT + (0 if inline else PUT_AND_GET)


@pytest.mark.parametrize("fields", [{}, OWNED, {"subject": "s" * 300}], ids=["plain", "with owners", "a long subject"])
def test_an_input_is_kept_where_it_is_cheaper(fields: dict[str, Any]) -> None:
    job = a_row(**fields)
    fits = "x" * bytes_left(job)
    assert cost(job, fits, inline=True) < cost(job, fits, inline=False)
    more = fits + "x" * 200  # the limit leaves room for more than this run adds
    assert cost(job, more, inline=True) > cost(job, more, inline=False)


def test_a_new_row_has_room_for_an_ordinary_input() -> None:
    assert bytes_left(a_row()) > 300
    assert bytes_left(a_row(**OWNED)) > 150


def test_an_input_of_4_kb_costs_92_write_units_less_in_the_bucket() -> None:
    job = a_row()
    dear, cheap = cost(job, "x" * 4_000, inline=True), cost(job, "x" * 4_000, inline=False)
    assert dear - (cheap - PUT_AND_GET) == pytest.approx(4 * WRITES * WRITE_UNIT)
