"""Writes the Terraform modules in the layout of a registry: the repository `terraform-aws-analysis-jobs`.

    python tools/registry_layout.py FOLDER            writes the tree into a new folder
    python tools/registry_layout.py --archive FILE    writes the same tree as a .tar.gz, with the same bytes each time

A registry wants one module in the root of a repository with this name, its parts in `modules/`, and examples in
`examples/`: https://developer.hashicorp.com/terraform/registry/modules/publish. So `modules/analysis-jobs` becomes the
root. The sources of modules and the links of READMEs are changed to match. A link to a page that is not in the tree
becomes plain text.
"""

import argparse
import gzip
import io
import posixpath
import re
import sys
import tarfile
from collections.abc import Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "terraform-aws-analysis-jobs"
ROOT_MODULE = "modules/analysis-jobs"
REGISTRY_SOURCE = "NAMESPACE/analysis-jobs/aws"
ROOT_FILES = ("CHANGELOG.md", "LICENSE", "UPGRADING.md")

_SOURCE = re.compile(r'(\bsource\s*=\s*)"(\.\.?/[^"]*)"')
# The source in the examples of the pages. Whoever publishes the module knows the namespace.
_USE = re.compile(r'"\./modules/([a-z-]+)"')
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)\s]*)?\)")


def files(repository: Path = REPOSITORY) -> dict[str, bytes]:
    """Return the contents of the tree by path, sorted."""
    folders = _folders(repository)
    found = {}
    for before, after in folders.items():
        for path in sorted((repository / before).iterdir()):
            text = path.read_text(encoding="utf-8") if path.suffix in {".md", ".tf"} else None
            if path.suffix == ".tf" and text is not None:
                found[posixpath.join(after, path.name)] = _with_sources(text, before, folders)
            elif path.name == "README.md" and text is not None:
                found[posixpath.join(after, path.name)] = _with_links(text, before, folders)
    for name in ROOT_FILES:
        found[name] = _with_links((repository / name).read_text(encoding="utf-8"), "", folders)
    return {path: found[path].encode() for path in sorted(found)}


def _folders(repository: Path) -> dict[str, str]:
    """Return the folder in the tree ("" for its root) for each folder of Terraform code that belongs to it."""
    modules = sorted(path.parent.name for path in repository.glob("modules/*/versions.tf"))
    folders = {f"modules/{name}": f"modules/{name}" for name in modules} | {ROOT_MODULE: ""}
    for versions in sorted(repository.glob("examples/**/versions.tf")):
        folder = versions.parent.relative_to(repository)
        if ".terraform" not in folder.parts:
            folders[folder.as_posix()] = f"examples/{folder.parts[1]}"
    return folders


def _with_sources(code: str, before: str, folders: dict[str, str]) -> str:
    """Return Terraform code of the folder `before` with the sources of modules as seen from its new folder."""

    def source(match: re.Match[str]) -> str:
        named = _normal(before, match[2])
        return f'{match[1]}"{_from(folders[before], folders[named])}"' if named in folders else match[0]

    return _SOURCE.sub(source, code)


def _with_links(page: str, before: str, folders: dict[str, str]) -> str:
    """Return a page of the folder `before` with its links as seen from its new folder."""

    def link(match: re.Match[str]) -> str:
        named = _normal(before, match[2])
        if named in ROOT_FILES:
            after = named
        elif posixpath.dirname(named) in folders and named.endswith("README.md"):
            after = posixpath.join(folders[posixpath.dirname(named)], "README.md")
        else:
            return match[1]
        return f"[{match[1]}]({posixpath.relpath(after, folders.get(before, '') or '.')}{match[3] or ''})"

    return _USE.sub(lambda match: f'"{REGISTRY_SOURCE}{_submodule(match[1])}"', _LINK.sub(link, page))


def _submodule(name: str) -> str:
    return "" if f"modules/{name}" == ROOT_MODULE else f"//modules/{name}"


def _normal(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))


def _from(folder: str, target: str) -> str:
    """Return the path from one folder to another as Terraform wants it: it begins with `./` or `../`."""
    path = posixpath.relpath(target or ".", folder or ".")
    return path if path.startswith("..") else f"./{path}"


def write(folder: Path, repository: Path = REPOSITORY) -> None:
    """Write the tree. Raises `FileExistsError` if the folder exists."""
    folder.mkdir(parents=True)
    for name, content in files(repository).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def archive(version: str, repository: Path = REPOSITORY) -> bytes:
    """Return the tree as a .tar.gz below one folder that names the version. The same tree has the same bytes."""
    packed = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=packed, mode="wb", filename="", mtime=0) as compressed,
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.PAX_FORMAT) as tar,
    ):
        for name, content in files(repository).items():
            entry = tarfile.TarInfo(f"{NAME}-{version}/{name}")
            entry.size, entry.mode = len(content), 0o644
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the tree or the archive; return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    target = parser.add_mutually_exclusive_group(required=True)
    target.add_argument("folder", type=Path, nargs="?", help="a folder that does not exist yet")
    target.add_argument("--archive", type=Path, metavar="FILE", help="write a .tar.gz instead")
    parser.add_argument("--version", default="0.0.0", help="the version that the archive's folder names")
    given = parser.parse_args(arguments)
    if given.archive:
        given.archive.write_bytes(archive(given.version))
    else:
        write(given.folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
