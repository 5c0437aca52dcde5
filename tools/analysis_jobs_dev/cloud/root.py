"""The Terraform root of a project, prepared for the local cloud.

The project's own root is used as it is, in a folder of links to its files. There, override files replace three things:
the backend (the state is kept in the folder of the local cloud), the Region of the provider, and the package. So the
project's state and its `.terraform` are not touched. A project without a root gets one with the module's defaults.
"""

import json
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.environments.schema import RootInterface
from analysis_jobs_dev.environments.variables import UnreadableRootError
from analysis_jobs_dev.module_interface import read_variables
from analysis_jobs_dev.terraform_files import has_block

LOCK_FILE = ".terraform.lock.hcl"
DEPLOYMENTS = "analysis_jobs_deployments"
SETUP_FILE = "analysis_jobs_setup_override.tf.json"
PACKAGE_FILE = "analysis_jobs_package_override.tf.json"
OUTPUT_FILE = "analysis_jobs_deployments.tf.json"
VARIABLES_FILE = "zz_analysis_jobs_local.auto.tfvars.json"  # of such files, the last one by name wins
# Never linked: they belong to the project's own state and installation.
_NOT_LINKED = re.compile(r"\.terraform|.*\.tfstate(\..*)?|\.terraform\.lock\.hcl|crash.*\.log")
_UPWARDS = re.compile(r"(?:\.\./)+")


@dataclass(frozen=True)
class ModuleCall:
    """A module block that calls the module. Older versions of the module do not take the path of a manifest."""

    name: str
    takes_manifest: bool


@dataclass(frozen=True)
class Root:
    """A Terraform root that runs in `folder`, with links to the files of `original`."""

    original: Path
    folder: Path

    @classmethod
    def link(cls, original: Path, below: Path) -> "Root":
        """Return the root, linked anew below the folder `below`.

        Relative paths stay valid: the folders above the root are there too, as far up as its files refer to them.
        """
        original = original.resolve()
        chosen = {path.name: path.read_bytes() for path in below.rglob(LOCK_FILE)}  # of the last `terraform init`
        shutil.rmtree(below, ignore_errors=True)
        up = min(_levels_up(original), len(original.parents) - 1)
        above = [original, *original.parents][up]
        here = below
        _link(above, here, leave=original.relative_to(above).parts[:1], around=below)
        for number, name in enumerate(original.relative_to(above).parts):
            here, above = here / name, above / name
            _link(above, here, leave=original.relative_to(above).parts[:1] if number < up else (), around=below)
        if (lock := original / LOCK_FILE).exists():  # copied, because `terraform init` may add checksums
            shutil.copyfile(lock, here / LOCK_FILE)
        elif LOCK_FILE in chosen:
            (here / LOCK_FILE).write_bytes(chosen[LOCK_FILE])
        return cls(original, here)

    @cached_property
    def interface(self) -> RootInterface:
        """The variables that the root declares. Raises CloudError if they cannot be read."""
        try:
            return RootInterface.read(self.original)
        except UnreadableRootError as error:
            raise CloudError(str(error)) from error

    @property
    def required_variables(self) -> frozenset[str]:
        """The names of the variables that have no default, and that no file of the root sets."""
        return frozenset(name for name, variable in self.interface.variables.items() if variable.is_required)

    def set_up(self, region: str, state: Path, variables: Mapping[str, object]) -> None:
        """Override the backend and the provider's Region, and set variables. Do this before `terraform init`."""
        for name in (PACKAGE_FILE, OUTPUT_FILE):
            (self.folder / name).unlink(missing_ok=True)
        backend = {"local": {"path": str(state)}}
        self._write(SETUP_FILE, {"terraform": {"backend": backend}, "provider": {"aws": {"region": region}}})
        self._write(VARIABLES_FILE, variables)

    def module_calls(self, data_folder: Path) -> "list[ModuleCall]":
        """Return the root's module blocks that call the module. `data_folder` is the TF_DATA_DIR of init.

        Raises CloudError if there is none.
        """
        direct = module_calls_in(self.folder, data_folder)
        if not direct:
            raise CloudError(
                f"No module block in {self.original} calls the module analysis-jobs, or only one inside another module "
                "does. Add the block to the root, or remove the root: without one, the local cloud uses the module "
                "itself."
            )
        return direct

    def use(self, calls: "Iterable[ModuleCall]", package: Mapping[str, object], manifest: Path) -> None:
        """Override the package of the module blocks, and add an output with what they deploy.

        `package` has the fields of the zip. A module that takes the path of the `manifest` gets that instead.
        """
        by_manifest = {"manifest": str(manifest), "s3": package.get("s3")}
        packages = {call.name: by_manifest if call.takes_manifest else package for call in calls}
        names = list(packages)
        self._write(PACKAGE_FILE, {"module": {name: {"package": escaped(each)} for name, each in packages.items()}})
        # A module with `count` is a list, one with `for_each` an object, any other is the module itself.
        parts = [f"try(module.{name}[*].deployment, values(module.{name})[*].deployment)" for name in names]
        output = {"value": f"${{concat({', '.join(parts)})}}", "sensitive": False}
        self._write(OUTPUT_FILE, {"output": {DEPLOYMENTS: output}})

    def _write(self, name: str, content: object) -> None:
        (self.folder / name).write_text(json.dumps(content, indent=2) + "\n", "utf-8")


def module_calls_in(folder: Path, data_folder: Path) -> list[ModuleCall]:
    """Return the module blocks of a root that call the module, after `terraform init`. Only direct calls count."""
    installed = json.loads((data_folder / "modules" / "modules.json").read_text("utf-8"))["Modules"]
    direct = {each["Key"]: folder / each["Dir"] for each in installed if each["Key"] and "." not in each["Key"]}
    return [ModuleCall(name, _takes_manifest(module)) for name, module in direct.items() if _is_the_module(module)]


def write_default(folder: Path, arguments: Mapping[str, object], module: str) -> Path:
    """Write a root that calls the module at the path `module` with these arguments. Return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    block = {"source": module, **{name: escaped(value) for name, value in arguments.items()}}
    (folder / "main.tf.json").write_text(json.dumps({"module": {"analysis_jobs": block}}, indent=2) + "\n", "utf-8")
    return folder


def _levels_up(root: Path) -> int:
    """Return how many folders above the root its files refer to."""
    texts = (path.read_text("utf-8", "replace") for path in _configuration(root, (".tf", ".json", ".tfvars")))
    return max((found.group().count("../") for text in texts for found in _UPWARDS.finditer(text)), default=0)


def _configuration(root: Path, endings: tuple[str, ...]) -> Iterator[Path]:
    for path in sorted(root.iterdir()):
        if path.is_file() and path.name.endswith(endings) and not _NOT_LINKED.fullmatch(path.name):
            yield path


def _link(original: Path, folder: Path, leave: Iterable[str], around: Path) -> None:
    """Link the entries of `original`, except the one that contains `around`: its link would lead back to the links."""
    folder.mkdir(parents=True)
    left = set(leave)
    for path in original.iterdir():
        is_around = around.resolve().is_relative_to(path.resolve())
        if path.name not in left and not is_around and not _NOT_LINKED.fullmatch(path.name):
            (folder / path.name).symlink_to(path, target_is_directory=path.is_dir())


def _is_the_module(folder: Path) -> bool:
    """Tell the module apart from all others, whatever its source and its version."""
    return has_block(folder, "variable", "analyses") and has_block(folder, "output", "deployment")


def _takes_manifest(module: Path) -> bool:
    return "manifest" in (read_variables(module)["package"].attributes or {})


def escaped(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return the value with its texts escaped: Terraform reads the texts in its JSON files as templates."""
    if isinstance(value, str):
        return value.replace("${", "$${").replace("%{", "%%{")
    if isinstance(value, Mapping):
        return {name: escaped(each) for name, each in value.items()}
    return [escaped(each) for each in value] if isinstance(value, list | tuple) else value
