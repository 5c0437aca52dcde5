"""Tests of the invoice entry. They need neither an AWS account nor a model, but an installed PostgreSQL server."""

from decimal import Decimal

import pytest

from analysis_jobs.testing import Jobs
from invoice_entry import Invoice, invoice_entry

INVOICE = Invoice(supplier="Harbour Tools Ltd", number="2026-117", total=Decimal("1204.50"), currency="EUR")
TEXT = b"Invoice 2026-117 of Harbour Tools Ltd. Total: EUR 1,204.50, tax included."
ENTERED = "SELECT tenant, supplier, number, total, currency FROM invoices"
ROW = {"tenant": "acme", **INVOICE.model_dump()}


def test_an_invoice_is_entered_into_the_database(jobs: Jobs) -> None:
    database = jobs.database("DATABASE_SECRET")
    jobs.answer("read", INVOICE)
    done = jobs.run(invoice_entry, {"invoice": jobs.upload("invoice.txt", TEXT)})
    assert done.result == INVOICE
    assert database.query(ENTERED) == [ROW]


@pytest.mark.parametrize("stage", ["read", "enter"])
def test_a_worker_that_dies_after_a_stage_enters_the_invoice_once(jobs: Jobs, stage: str) -> None:
    database = jobs.database("DATABASE_SECRET")
    jobs.answer("read", INVOICE)
    jobs.crash_after(stage)
    done = jobs.run(invoice_entry, {"invoice": jobs.upload("invoice.txt", TEXT)})
    assert (done.attempts, len(done.questions)) == (2, 1), "the model is not asked again"
    assert database.query(ENTERED) == [ROW]
