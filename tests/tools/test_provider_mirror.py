"""A provider mirror is used where one exists. Without one, Terraform asks the public registry."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from analysis_jobs_dev import provider_mirror
from analysis_jobs_dev.provider_mirror import MirrorError, terraform_environment

TOOLS = Path(provider_mirror.__file__).parents[1]
MakeMirror = Callable[[Path], Path]


@pytest.fixture
def make_mirror() -> MakeMirror:
    def make(root: Path) -> Path:
        version = provider_mirror.locked_version() or "5.100.0"
        platform = provider_mirror.terraform_platform()
        folder = root / provider_mirror.PROVIDER / version / platform
        folder.mkdir(parents=True)
        (folder / f"terraform-provider-aws_v{version}_x5").touch()
        return root

    return make


def configuration(environment: dict[str, str]) -> str:
    return Path(environment["TF_CLI_CONFIG_FILE"]).read_text(encoding="utf-8")


def search(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """Search with an empty home directory, below tmp_path/opt only."""
    environ = {"HOME": str(tmp_path / "home"), "XDG_DATA_DIRS": str(tmp_path / "share"), **environ}
    return terraform_environment(environ, searched=(tmp_path / "opt",), state=tmp_path / "state with a blank")


@pytest.mark.parametrize("where", ["opt", "opt/a", "opt/a/b"])
def test_a_mirror_below_a_searched_folder_is_used(where: str, tmp_path: Path, make_mirror: MakeMirror) -> None:
    mirror = make_mirror(tmp_path / where)
    assert f'path    = "{mirror}"' in configuration(search({}, tmp_path))


@pytest.mark.parametrize(
    "where",
    ["home/.terraform.d/plugins", "home/.local/share/terraform/plugins", "share/terraform/plugins"],
)
def test_terraforms_own_folders_come_before_the_searched_ones(
    where: str, tmp_path: Path, make_mirror: MakeMirror
) -> None:
    make_mirror(tmp_path / "opt")
    mirror = make_mirror(tmp_path / where)
    assert f'path    = "{mirror}"' in configuration(search({}, tmp_path))


def test_a_named_mirror_comes_before_all_others(tmp_path: Path, make_mirror: MakeMirror) -> None:
    make_mirror(tmp_path / "opt")
    mirror = make_mirror(tmp_path / "mine")
    found = configuration(search({"TF_PLUGIN_MIRROR": str(mirror)}, tmp_path))
    assert f'path    = "{mirror}"' in found


def test_a_packed_provider_counts(tmp_path: Path) -> None:
    version = provider_mirror.locked_version() or "5.100.0"
    name = f"terraform-provider-aws_{version}_{provider_mirror.terraform_platform()}.zip"
    folder = tmp_path / "opt" / provider_mirror.PROVIDER
    folder.mkdir(parents=True)
    (folder / name).touch()
    assert "filesystem_mirror" in configuration(search({}, tmp_path))


def test_a_named_mirror_without_the_provider_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MirrorError, match=r"TF_PLUGIN_MIRROR=.*hashicorp/aws.*or unset it"):
        search({"TF_PLUGIN_MIRROR": str(tmp_path)}, tmp_path)


def test_a_mirror_of_another_platform_is_passed_over(
    tmp_path: Path, make_mirror: MakeMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mirror(tmp_path / "opt")
    monkeypatch.setattr(provider_mirror, "terraform_platform", lambda: "plan9_mips")
    assert search({}, tmp_path) == {}


def test_a_mirror_of_another_version_is_passed_over(
    tmp_path: Path, make_mirror: MakeMirror, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_mirror(tmp_path / "opt")
    monkeypatch.setattr(provider_mirror, "locked_version", lambda: "99.0.0")
    assert search({}, tmp_path) == {}


def test_without_a_mirror_terraform_is_left_to_the_public_registry(tmp_path: Path) -> None:
    assert search({}, tmp_path) == {}


def test_a_configuration_file_that_is_missing_is_replaced_by_an_empty_one(tmp_path: Path) -> None:
    environment = search({"TF_CLI_CONFIG_FILE": str(tmp_path / "missing")}, tmp_path)
    assert configuration(environment) == ""


def test_a_configuration_that_says_where_providers_come_from_is_left_alone(
    tmp_path: Path, make_mirror: MakeMirror
) -> None:
    make_mirror(tmp_path / "opt")
    own = tmp_path / "own.tfrc"
    own.write_text("provider_installation {\n  direct {}\n}\n", encoding="utf-8")
    assert search({"TF_CLI_CONFIG_FILE": str(own)}, tmp_path) == {}


def test_a_named_mirror_overrules_a_configured_installation(tmp_path: Path, make_mirror: MakeMirror) -> None:
    mirror = make_mirror(tmp_path / "mine")
    own = tmp_path / "own.tfrc"
    own.write_text("provider_installation {\n  direct {}\n}\n", encoding="utf-8")
    environ = {"TF_CLI_CONFIG_FILE": str(own), "TF_PLUGIN_MIRROR": str(mirror)}
    assert configuration(search(environ, tmp_path)).count("provider_installation") == 1


def test_other_settings_of_a_persons_configuration_are_kept_and_stay_private(
    tmp_path: Path, make_mirror: MakeMirror
) -> None:
    make_mirror(tmp_path / "opt")
    (tmp_path / "home").mkdir()
    own = 'credentials "app.example.com" {\n  token = "t"\n}\n'
    (tmp_path / "home" / ".terraformrc").write_text(own, encoding="utf-8")
    environment = search({}, tmp_path)
    assert configuration(environment).startswith(own)
    assert Path(environment["TF_CLI_CONFIG_FILE"]).stat().st_mode & 0o077 == 0


def test_terraform_accepts_the_configuration(tmp_path: Path, make_mirror: MakeMirror) -> None:
    make_mirror(tmp_path / "opt")
    environment = {**os.environ, "CHECKPOINT_DISABLE": "1", **search({}, tmp_path)}
    said = subprocess.run(["terraform", "version"], env=environment, capture_output=True, text=True, check=True)
    assert "problems with the CLI configuration" not in said.stdout + said.stderr


def test_the_program_prints_lines_that_a_shell_can_read(tmp_path: Path) -> None:
    environ = {**os.environ, "TF_CLI_CONFIG_FILE": str(tmp_path / "missing")}
    environ.pop("TF_PLUGIN_MIRROR", None)
    program = f'eval "$({sys.executable} -m analysis_jobs_dev.provider_mirror)" && test -f "$TF_CLI_CONFIG_FILE"'
    subprocess.run(["bash", "-c", program], env=environ, cwd=TOOLS, check=True)


def test_the_program_says_what_is_wrong_with_a_named_mirror(tmp_path: Path) -> None:
    environ = {**os.environ, "TF_PLUGIN_MIRROR": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-m", "analysis_jobs_dev.provider_mirror"],
        env=environ,
        cwd=TOOLS,
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 1
    assert said.stdout == ""
    assert said.stderr.startswith("TF_PLUGIN_MIRROR=")
