"""Creates a project that runs: `analysis-jobs init NAME`. docs/write/first-analysis.md shows what comes next."""

import json
import keyword
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from analysis_jobs_dev import places
from analysis_jobs_dev.environments.schema import RootInterface, for_root
from analysis_jobs_dev.naming import MAX_NAME, NAME, stack_name

TEMPLATE = "project"
# The names in the template, which is itself a project.
TEMPLATE_NAME = "letter-summary"
TEMPLATE_MODULE = "letter_summary"
# How the workflows install the tool in this repository, and in a project.
_OWN_INSTALLATION = 'python -m pip install --requirement requirements/dev.txt ".[dev]"\n'
_INSTALLATION = """\
python -m pip install "$ANALYSIS_JOBS"
        env:
          ANALYSIS_JOBS: ${{ vars.ANALYSIS_JOBS }}
"""
# The workflows of this repository that a new project gets.
WORKFLOWS = ("deploy", "drift", "package", "plan", "rollback")
ENVIRONMENTS = ("local", "staging", "production")
ENVIRONMENT_SCHEMA = Path("envs", "environment.schema.json")
# Modules at the root of every deployment package.
_TAKEN = {"analysis_jobs", "api", "document_reader", "events", "sweeper", "worker"}
_NOT_COPIED = {"README.md", "pyproject.toml", "__pycache__", ".local", "dist", "uv.lock"}
_EXAMPLES_SOURCE = re.compile(r'source\s*=\s*"\.\./\.\./modules/analysis-jobs"')
_PACKAGE_ARGUMENT = re.compile(r"(?P<name>package\s*=\s*)var\.package$", re.MULTILINE)
_PACKAGE_VARIABLE = re.compile(r'^variable "package" \{.*?^\}\n', re.MULTILINE | re.DOTALL)


class InitError(Exception):
    """The project cannot be created. The message says what to change."""


@dataclass(frozen=True)
class NewProject:
    """A project to create in `folder`; `module` is the source of the Terraform module."""

    name: str
    folder: Path
    module: str

    @property
    def python_name(self) -> str:
        """The name of the module with the analysis."""
        return self.name.replace("-", "_")

    def filled(self, text: str) -> str:
        """Return a text of the template for this project."""
        values = {
            "module": self.module,
            "version": places.version(),
            **{f"name-{each}": stack_name(self.name, each) for each in ENVIRONMENTS},
        }
        for name, value in values.items():
            text = text.replace(f"{{{{{name}}}}}", value)
        return text.replace(TEMPLATE_NAME, self.name).replace(TEMPLATE_MODULE, self.python_name)


def create(name: str, *, example: str | None = None, module: str | None = None, within: Path = Path()) -> Path:
    """Create the project `name` in a new folder of that name, and return the folder.

    Args:
        name: The name of the project, of its analysis, and the prefix of its stacks.
        example: An example to start from. None: a small analysis of letters.
        module: The source of the Terraform module. None: see `module_source`.
        within: The folder that gets the new folder.

    Raises:
        InitError: The name is not allowed, the folder is not empty, or there is no such example.
    """
    check_name(name)
    source = _example(example) if example else None
    folder = within / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InitError(f"{folder} exists and is not empty: choose another name, or remove it.")
    project = NewProject(name, folder, module or module_source())
    folder.mkdir(parents=True, exist_ok=True)
    if source:
        _copy_example(source, project)
    else:
        _copy_template(project)
    interface = RootInterface.read(folder / "infra")
    _write(folder / ENVIRONMENT_SCHEMA, json.dumps(for_root(interface), indent=2) + "\n")
    return folder


def check_name(name: str) -> None:
    """Raise InitError unless `name` can be the name of a project."""
    if not NAME.fullmatch(name) or "--" in name:
        raise InitError(
            f"{name!r} is not a name for a project: give 2 to {MAX_NAME} small letters, digits and single hyphens, "
            "beginning with a letter, such as letter-summary. It becomes the prefix of names in AWS."
        )
    module = name.replace("-", "_")
    if module in _TAKEN or module in sys.stdlib_module_names or keyword.iskeyword(module):
        raise InitError(
            f"{name!r} is not a name for a project: its Python module would be {module}, which is taken. Choose a "
            f"longer name, such as {name}-analysis."
        )


def module_source() -> str:
    """Return the source of the Terraform module that fits this installation.

    It is this version's tag in the repository that the distribution names as its `Repository`. In a checkout it is the
    current commit of the checkout. Raises InitError if the distribution names none.
    """
    if checkout := places.repository():
        commit = (places.commit() or "").removesuffix("-dirty")
        return f"git::file://{checkout}//modules/analysis-jobs{f'?ref={commit}' if commit else ''}"
    urls = [each.partition(", ") for each in metadata.metadata(places.DISTRIBUTION).get_all("Project-URL") or ()]
    repository = next((url for label, _, url in urls if label.lower() == "repository"), None)
    if repository is None:
        raise InitError(
            "This installation does not know where its Terraform module is published. Give its source: --module "
            f'"git::https://<host>/<path>.git//modules/analysis-jobs?ref=v{places.version()}".'
        )
    return f"git::{repository}//modules/analysis-jobs?ref=v{places.version()}"


def known_examples() -> list[str]:
    """Return the names of the examples that `--from` takes."""
    folder = places.examples()
    return sorted(path.parent.name for path in folder.glob("*/demo.toml")) if folder else []


def _example(name: str) -> Path:
    folder = places.examples()
    if folder is None or name not in known_examples():
        known = ", ".join(known_examples()) or "none in this installation"
        raise InitError(f"There is no example {name!r}. The examples are: {known}.")
    return folder / name


def _copy_template(project: NewProject) -> None:
    for path, target in _template_files(project):
        _write(project.folder / target, project.filled(path.read_text("utf-8")))
    _copy_workflows(project)


def _copy_workflows(project: NewProject) -> None:
    """Copy the workflows of this repository that any project can use. They install the tool in another way here."""
    for name in WORKFLOWS:
        text = (places.workflows() / f"{name}.yml").read_text("utf-8")
        text = text.replace(_OWN_INSTALLATION, _INSTALLATION)
        _write(project.folder / ".github" / "workflows" / f"{name}.yml", text)


def _template_files(project: NewProject) -> Iterator[tuple[Path, Path]]:
    """Yield the template's files, and their paths in the project. Hidden files have names without a dot there."""
    template = places.templates() / TEMPLATE
    for path in sorted(template.rglob("*")):
        inside = path.relative_to(template)
        if path.is_dir() or "__pycache__" in inside.parts:
            continue
        parts = [re.sub(r"^dot-", ".", part) for part in inside.parts]
        yield path, Path(project.filled("/".join(parts)))


def _copy_example(example: Path, project: NewProject) -> None:
    """Copy an example as a project: its Terraform goes to `infra`; the rest comes from the template."""
    described = (example / "pyproject.toml").read_text("utf-8")
    for path in sorted(example.rglob("*")):
        inside = path.relative_to(example)
        if path.is_dir() or _NOT_COPIED & set(inside.parts) or any(part.startswith(".") for part in inside.parts):
            continue
        is_terraform = path.suffix in {".tf", ".hcl"}
        target = project.folder / ("infra" if is_terraform else "") / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    _adapt_terraform(project)
    described = re.sub(r'^name = ".*"$', f'name = "{project.name}"', described, count=1, flags=re.MULTILINE)
    described = re.sub(r'^infra = "\."\n', "", described, flags=re.MULTILINE)
    described = described.replace('"analysis-jobs"', f'"analysis-jobs=={places.version()}"')
    groups = f'\n[dependency-groups]\ndev = ["analysis-jobs[dev]=={places.version()}"]\n'
    pytest = '\n[tool.pytest.ini_options]\npythonpath = ["."]\n'
    _write(project.folder / "pyproject.toml", described.rstrip("\n") + "\n" + groups + pytest)
    for path, target in _template_files(project):
        if target.parts[0] in {".github", ".gitignore"}:
            _write(project.folder / target, _for_example(project.filled(path.read_text("utf-8")), example))
    _copy_workflows(project)
    _write(project.folder / "README.md", _readme(project, example))
    _write_environments(project)


def _adapt_terraform(project: NewProject) -> None:
    """Let the example's Terraform call the module by its source, and be a root: provider, backend, Region."""
    infra = project.folder / "infra"
    template = places.templates() / TEMPLATE / "infra"
    variables = project.filled((template / "variables.tf").read_text("utf-8"))
    blocks = {
        found[1]: found[0]
        for found in re.finditer(r'^variable "(\w+)" \{.*?^\}\n', variables, re.MULTILINE | re.DOTALL)
    }
    for path in infra.glob("*.tf"):
        text = _EXAMPLES_SOURCE.sub(lambda _: f'source = "{project.module}"', path.read_text("utf-8"))
        text = _PACKAGE_ARGUMENT.sub(r"\g<name>{ manifest = var.package }", text)
        text = text.replace("var.package.manifest", "var.package")
        text = _PACKAGE_VARIABLE.sub(lambda _: blocks["package"], text)
        path.write_text(text, "utf-8")
    shutil.copyfile(template / "versions.tf", infra / "versions.tf")
    _write(infra / "versions.tf", project.filled((infra / "versions.tf").read_text("utf-8")))
    provider = 'provider "aws" {\n  region = var.region\n}\n\n'
    _write(infra / "provider.tf", provider + blocks["region"])


def _write_environments(project: NewProject) -> None:
    """Write the environments with the settings that the example's root requires.

    What only the reader knows is a placeholder.
    """
    interface = RootInterface.read(project.folder / "infra")
    required = interface.settings.get("required", [])
    authorizer = {"issuer": "https://login.example.com", "audience": [project.name]}
    for environment in ENVIRONMENTS:
        protected = environment != "local"
        known: Mapping[str, object] = {
            "authorizer": authorizer,
            "database_secret_arn": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:database",
            "gemini_key_arn": "arn:aws:ssm:eu-west-1:123456789012:parameter/gemini-key",
        }
        made_by_local_cloud = set() if protected else {"database_secret_arn", "gemini_key_arn"}
        settings = {name: known[name] for name in required if name in known and name not in made_by_local_cloud}
        if "deletion_protection" in interface.settings["properties"]:
            settings["deletion_protection"] = protected
        values = {
            "$schema": ENVIRONMENT_SCHEMA.name,
            "name": stack_name(project.name, environment),
            "region": "eu-west-1",
            "settings": settings,
        }
        _write(project.folder / "envs" / f"{environment}.json", json.dumps(values, indent=2) + "\n")


def _for_example(text: str, example: Path) -> str:
    """Return a workflow that uses a document of the example."""
    documents = sorted(path.name for path in (example / "documents").iterdir())
    return text.replace("documents/letter.txt", f"documents/{documents[0]}")


def _readme(project: NewProject, example: Path) -> str:
    text = project.filled((places.templates() / TEMPLATE / "README.md").read_text("utf-8"))
    text = text.replace("a letter becomes a summary", f"it began as the example {example.name}")
    text = text.replace(f"`{project.python_name}.py`", "`*.py`")
    return _for_example(text, example)


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
