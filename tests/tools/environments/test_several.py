"""The environments of a repository: which there are, and which must not share a stack or a state."""

from pathlib import Path

import pytest

from analysis_jobs_dev.environments import config
from analysis_jobs_dev.environments.config import ConfigError
from tests.tools.environments.files import with_settings, write


def test_a_copy_with_the_same_stack_is_refused_unless_the_accounts_differ(repository: Path) -> None:
    text = with_settings('"lease": {}')
    write(repository, text)
    write(repository, text, "production")
    with pytest.raises(ConfigError, match="the environment dev has the same name in the same Region"):
        config.load("production", repository)
    for name in ("dev", "production"):
        write(repository, text.replace("{", f'{{"state": {{"bucket": "states-{name}"}}, ', 1), name)
    assert config.load("production", repository)


def test_a_copy_with_the_same_state_is_refused(repository: Path) -> None:
    text = with_settings('"lease": {}').replace("{", '{"state": {"key": "x.tfstate"}, ', 1)
    write(repository, text)
    write(repository, text.replace("rfp-dev", "rfp-production"), "production")
    with pytest.raises(ConfigError, match=r"state\.key is that of the environment dev: each would destroy"):
        config.load("production", repository)


@pytest.mark.parametrize("name", ["", "developement", "../staging", "no-environment"])
def test_an_unknown_environment_is_refused_and_the_known_ones_are_named(name: str, repository: Path) -> None:
    write(repository, "{}", "development")
    (repository / "envs" / "no-environment").mkdir()
    with pytest.raises(ConfigError, match=r"There is no environment .*\. There are: development\."):
        config.load(name, repository)


def test_a_folder_without_its_file_is_named(repository: Path) -> None:
    write(repository, "{}")
    (repository / "envs" / "qa").mkdir()
    (repository / "envs" / "qa" / "config.yaml").touch()
    with pytest.raises(ConfigError, match=r"The folder envs/qa has no config\.json\."):
        config.load("qa", repository)


def test_an_environment_with_two_files_is_refused(repository: Path) -> None:
    write(repository, "{}")
    (repository / "envs" / "dev.json").write_text("{}", "utf-8")
    with pytest.raises(ConfigError, match=r"has two files, envs/dev/config\.json and envs/dev\.json: remove one"):
        config.load("dev", repository)


def test_a_folder_without_environments_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"write envs/staging\.json"):
        config.load("staging", tmp_path)
