"""The folder of a job in the bucket: below its tenant, impossible to leave, and never shared by two jobs."""

from dataclasses import replace
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis_jobs.authoring.checkpoints import Checkpoints
from analysis_jobs.jobs.payloads import job_folder, store_json
from analysis_jobs.stores.memory import MemoryArtifactStore
from tests.handlers.builders import a_job, a_processing_job

NAMES = st.text(st.characters(codec="utf-8"), min_size=1, max_size=128)


def test_the_folder_of_a_job_without_client_and_project_is_below_its_tenant() -> None:
    job = a_job()
    assert job_folder(job) == f"jobs/acme/{job.job_id}"


@pytest.mark.parametrize("given", [{"client": "Globex"}, {"project": "tower"}, {"client": "Globex", "project": None}])
def test_a_client_without_a_project_adds_no_folder(given: dict[str, str | None]) -> None:
    job = a_job(**given)
    assert job_folder(job) == f"jobs/acme/{job.job_id}"


@pytest.mark.parametrize(
    ("client", "project", "folders"),
    [
        ("globex", "tower-2", "globex/tower-2"),
        ("Globex Ltd.", "R&D", "Globex!20Ltd./R!26D"),
        ("../../initech", "..", "!2E.!2F..!2Finitech/!2E."),
        ("a/b", ".hidden", "a!2Fb/!2Ehidden"),
        ("Caf\u00e9", "50 % ~ !", "Caf!C3!A9/50!20!25!20!7E!20!21"),
    ],
)
def test_client_and_project_are_folders_below_the_tenant(client: str, project: str, folders: str) -> None:
    job = a_job(client=client, project=project)
    assert job_folder(job) == f"jobs/acme/{folders}/{job.job_id}"


@given(client=NAMES, project=NAMES)
def test_any_client_name_gives_a_valid_folder_below_the_tenant(client: str, project: str) -> None:
    folder = job_folder(a_job(tenant="t" * 128, client=client, project=project))
    root, tenant, *named, _ = folder.split("/")
    assert (root, tenant, len(named)) == ("jobs", "t" * 128, 2)
    assert not any(part.startswith(".") for part in named)
    assert len(f"{folder}/files/{2**63}/{'n' * 128}".encode()) <= 1024
    for part, name in zip(named, (client, project), strict=True):
        assert "~" in part or unquote(part.replace("!", "%")) == name


@given(first=NAMES, second=NAMES)
def test_no_two_clients_share_a_folder(first: str, second: str) -> None:
    job = a_job(client=first, project="p")
    assert (job_folder(job) == job_folder(replace(job, client=second))) == (first == second)


def test_two_shortened_names_do_not_share_a_folder() -> None:
    job = a_job(client="\u00e4" * 127 + "a", project="p")
    other = replace(job, client="\u00e4" * 127 + "b")
    assert job_folder(job) != job_folder(other)
    assert len(job_folder(job)) == len(job_folder(other)) < 300


def test_inputs_and_checkpoints_are_in_the_jobs_folder() -> None:
    artifacts = MemoryArtifactStore()
    job = a_processing_job(client="globex", project="tower", fence=3)
    store_json(artifacts, job, "input", "x", inline_bytes=0)
    Checkpoints(job, artifacts, {}, lambda _: None).save("read", {"pages": 1})
    folder = f"jobs/acme/globex/tower/{job.job_id}/"
    assert len(artifacts.objects) == 2
    assert all(key.startswith(folder) for key in artifacts.objects)
