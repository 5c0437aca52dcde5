"""What the tests of the documentation share."""

import pytest

from tests.modules.harness import Terraform, make_workspace


@pytest.fixture(scope="session")
def terraform(tmp_path_factory: pytest.TempPathFactory) -> Terraform:
    """A copy of the repository's Terraform, with the provider installed once."""
    return make_workspace(tmp_path_factory.mktemp("terraform"))
