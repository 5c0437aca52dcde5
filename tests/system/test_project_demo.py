"""An example as a stranger's project: `analysis-jobs local PROJECT --demo DOCUMENT`, with a VPC and a database.

The project has no `envs/local.json` and no `demo.toml`, so that everything is found from its root and its API.
"""

import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from analysis_jobs_dev import project
from analysis_jobs_dev.cloud.local_cloud import EXAMPLES
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.local import Local

pytestmark = pytest.mark.system

INVOICE = "Invoice from: Marren Paper Mill\nInvoice number: 2041-77\nTotal, tax included: 266.40 EUR\n"


def test_a_project_with_a_network_and_a_database_runs_without_any_file_for_it(tmp_path: Path) -> None:
    document = tmp_path / "invoice.txt"
    document.write_text(INVOICE, "utf-8")
    said = io.StringIO()
    found = project.load(EXAMPLES / "vpc-and-database")
    assert not (found.folder / "envs").exists()
    assert not (found.folder / "demo.toml").exists()
    local = Local(found, tmp_path / "cloud", tmp_path / "kept", Screen(Console(file=said, width=120)))
    assert local.demo(document) == 0, said.getvalue()
    result = json.loads((tmp_path / "kept" / "result.json").read_text("utf-8"))
    assert (result["number"], float(result["total"])) == ("2041-77", 266.4)
