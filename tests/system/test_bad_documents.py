"""An unreadable document fails its job at once, with a code and a message and without a retry."""

from pathlib import Path

import pytest
from fpdf import FPDF

from analysis_jobs_dev.cloud.local_cloud import REPOSITORY, LocalCloud
from tests.system.watching import calls_of

pytestmark = pytest.mark.system

GOOD = (REPOSITORY / "examples/rfp-analysis/documents/riverside-digital-heritage.pdf").read_bytes()
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def encrypted() -> bytes:
    document = FPDF()
    document.set_encryption(owner_password="owner", user_password="user")
    document.add_page()
    document.set_font("helvetica", size=12)
    document.cell(text="Nobody reads this without the password.")
    return bytes(document.output())


@pytest.mark.parametrize(
    ("content", "code"),
    [
        pytest.param(GOOD[:2000], "document_corrupt", id="cut off"),
        pytest.param(encrypted(), "document_encrypted", id="encrypted"),
        pytest.param(PNG, "document_type_mismatch", id="a picture named .pdf"),
    ],
)
def test_a_bad_document_fails_its_job_once_and_says_why(
    stack: LocalCloud, tmp_path: Path, content: bytes, code: str
) -> None:
    path = tmp_path / "proposal.pdf"
    path.write_bytes(content)
    client = stack.client()
    job = client.wait(client.submit("rfp-analysis", {"document": client.upload(path)}).job_id).raw
    assert (job["status"], job["error"]["code"], job["error"]["retryable"]) == ("failed", code, False)
    assert "proposal.pdf" in job["error"]["message"]
    assert job["attempt"] == 1
    assert calls_of(stack, job["job_id"]) == []
