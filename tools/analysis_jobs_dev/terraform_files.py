"""Finds blocks in the Terraform files of a folder, in both syntaxes: HCL (`*.tf`) and JSON (`*.tf.json`).

A file that is not valid is left out, because Terraform itself reports it better.
"""

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lark.exceptions import LarkError

from analysis_jobs_dev.module_interface import blocks

__all__ = ["has_block", "provider_region"]


def has_block(folder: Path, kind: str, name: str) -> bool:
    """Tell whether a folder has the block `kind "name"`, such as `output "deployment"`."""
    return next(_found(folder, kind, name), None) is not None


def provider_region(root: Path) -> str | None:
    """Return the Region in the root's provider block of AWS without an alias. None if only a plan knows it.

    It is a text, or the default of a variable.
    """
    for provider in _found(root, "provider", "aws"):
        if "alias" not in provider:
            region = provider.get("region")
            if named := re.fullmatch(r"\$\{var\.(\w+)\}", str(region)):
                region = next((each.get("default") for each in _found(root, "variable", named[1])), None)
            return region if isinstance(region, str) and "${" not in region else None
    return None


def _found(folder: Path, kind: str, name: str) -> Iterator[Mapping[str, Any]]:
    """Yield the attributes of each block. A reference is a text such as "${var.region}", as it is in JSON."""
    for path in sorted(folder.iterdir()):
        if path.name.endswith(".tf.json"):
            yield from _found_in_json(path, kind, name)
        # Only files that may have the block are parsed.
        elif path.suffix == ".tf" and re.search(rf"\b{kind}\b.*\b{re.escape(name)}\b", text := _text(path)):
            yield from _found_in_hcl(text, kind, name)


def _found_in_hcl(text: str, kind: str, name: str) -> Iterator[Mapping[str, Any]]:
    try:
        found = [each for each in blocks(text) if (each.kind, each.labels) == (kind, (name,))]
    except LarkError:
        return
    for block in found:
        values = {key: attribute.expression.serialize() for key, attribute in block.attributes.items()}
        yield {key: value[1:-1] if str(value).startswith('"') else value for key, value in values.items()}


def _found_in_json(path: Path, kind: str, name: str) -> Iterator[Mapping[str, Any]]:
    try:
        content = json.loads(_text(path))
        found = content[kind][name]
    except (ValueError, KeyError, TypeError):
        return
    yield from found if isinstance(found, list) else [found]


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace")
