"""One copy of the modules and one installed provider for the whole session."""

import os
from collections.abc import Iterator

import pytest

from tests.modules.harness import Terraform, account_server, make_workspace


@pytest.fixture(scope="package", autouse=True)
def _nobodys_account() -> Iterator[None]:
    """Hide the developer's AWS account, local cloud and Terraform variables."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith(("AWS_", "TF_VAR_"))]:
            patch.delenv(name)
        for name in ("TF_DATA_DIR", "TF_WORKSPACE"):
            patch.delenv(name, raising=False)
        yield


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    return make_workspace(tmp_path_factory.mktemp("terraform"))


@pytest.fixture(scope="session")
def account_url() -> Iterator[str]:
    """Return a URL for `AWS_ENDPOINT_URL_STS`: a fictitious account that answers GetCallerIdentity only."""
    with account_server() as url:
        yield url
