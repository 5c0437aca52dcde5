"""An invoice is read, and entered into the database once."""

from decimal import Decimal
from typing import Annotated

from pydantic import BaseModel, Field

from analysis_jobs import Analysis, Between, Canary, Document, Job, NotEmpty, OneOf, fill_prompt

type Amount = Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]


class InvoiceFile(BaseModel):
    """The request: an uploaded invoice, as PDF or plain text."""

    invoice: Document


class Invoice(BaseModel):
    """The result: what the invoice says."""

    supplier: str = Field(description="Name of the company that issued the invoice.")
    number: str = Field(description="Number of the invoice.")
    total: Amount = Field(description="Total amount, tax included.")
    currency: str = Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code of the currency.")


def read(job: Job[InvoiceFile]) -> Invoice:
    """Ask the model for the figures."""
    text = job.text(job.request.invoice)
    prompt = fill_prompt("Extract the figures of this invoice.\n<invoice>\n{text}\n</invoice>", text=text)
    return job.ask(prompt, answer=Invoice)


def enter(job: Job[InvoiceFile]) -> Invoice:
    """Insert the row. The transaction also records that this job has done so: a second attempt inserts nothing."""
    invoice: Invoice = job.output(read)
    with job.database("DATABASE_SECRET").once(job, effect="enter") as cursor:
        if cursor is not None:
            cursor.execute(
                "INSERT INTO invoices (job_id, tenant, supplier, number, total, currency)"
                " VALUES (%s, %s, %s, %s, %s, %s)",
                (job.job_id, job.tenant, invoice.supplier, invoice.number, invoice.total, invoice.currency),
            )
    return invoice


invoice_entry = Analysis(
    "invoice-entry",
    request=InvoiceFile,
    result=Invoice,
    stages=[read, enter],
    # Each deployment enters this invoice, for the tenant `_canary`. So the worker reaches its database.
    canaries=[
        Canary(
            documents={"invoice": "documents/harbour-tools-invoice.pdf"},
            expect={"total": Between(low=1204.50, high=1204.50), "currency": OneOf(["EUR"]), "number": NotEmpty()},
            max_cost_usd=0.05,
        )
    ],
)
