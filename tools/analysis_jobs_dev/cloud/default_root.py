"""The Terraform root of a project without one: the module, with what the project's code declares."""

import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from analysis_jobs_dev import places
from analysis_jobs_dev.cloud import root
from analysis_jobs_dev.cloud.known_values import AUDIENCE, MODEL, MODEL_IDS, KnownValues
from analysis_jobs_dev.packager.declarations import Declarations
from analysis_jobs_dev.project import Project

# The module's lane without `lanes`.
LANE = "medium"
GEMINI_KEY = "GEMINI_API_KEY"
_GEOGRAPHY = re.compile(r"^(?:[a-z]{2}|apac|global|us-gov)\.(?=[a-z0-9-]+\.)")


def module() -> Path:
    """Return the folder of the module."""
    return places.modules().resolve() / "analysis-jobs"


def write(folder: Path, arguments: Mapping[str, object]) -> None:
    """Write a root that calls the module with these arguments into the folder. Only a lock file is kept there."""
    for path in folder.iterdir() if folder.exists() else ():
        if path.name != root.LOCK_FILE:
            shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
    root.write_default(folder, arguments, os.path.relpath(module(), folder))


def arguments(
    project: Project,
    declared: Declarations,
    secret_methods: Mapping[str, Iterable[str]],
    known: KnownValues,
    given: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the module's arguments: what the code declares, and `given`, which comes first.

    Args:
        project: The project.
        declared: What its package declares: routes, lanes, models, secrets.
        secret_methods: The methods of `Job` that read each secret, by its name.
        known: What the local cloud knows.
        given: The variables of `envs/local.json`.
    """
    used = [each for each in declared.analyses if each["module"] in project.analyses]
    models = sorted({each["model_id"] for each in used if each.get("model_id")})
    names = {*declared.secrets, *([GEMINI_KEY] if any(each.startswith("gemini-") for each in models) else [])}
    own = worker_secrets(given)
    defaults = {
        "name": known.stack,
        "analyses": list(project.analyses),
        "api": {
            "authorizer": {"issuer": known.connection.stand_in_url, "audience": [AUDIENCE]},
            "routes": list(dict.fromkeys(route for each in used for route in each["routes"])),
        },
        "bedrock_model_ids": [*MODEL_IDS, *(_GEOGRAPHY.sub("", each) for each in models if not _is_other(each))],
        "deletion_protection": False,
        "lanes": {lane: {} for lane in sorted({LANE, *(lane for each in used for lane in each["lanes"])})},
        "lease": {"heartbeat_s": 5, "lease_s": 20},
        "model_id": MODEL,
        "package": dict(known.package),
        "worker": {
            "secrets": {name: _secret(name, secret_methods.get(name, ()), known) for name in sorted(names - own)}
        },
    }
    if declared.ocr_languages:
        defaults["documents"] = {"ocr_languages": declared.ocr_languages}
    return merged(defaults, given)


def worker_secrets(given: Mapping[str, Any]) -> set[str]:
    """Return the names of the secrets that the variables set themselves."""
    worker = given.get("worker") or {}
    return set(worker.get("secrets") or {})


def merged(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return both objects as one. A value in `given` replaces the default; objects are merged."""
    both = dict(defaults)
    for name, value in given.items():
        below = both.get(name)
        both[name] = merged(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return both


def _is_other(model: str) -> bool:
    """Tell whether a model is not one that `bedrock_model_ids` names: Gemini, or the ARN of a profile."""
    return model.startswith(("gemini-", "arn:"))


def _secret(name: str, methods: Iterable[str], known: KnownValues) -> str:
    """Return the ARN of a secret with a content that the methods can read."""
    if "database" in methods and known.secrets.login is not None:
        return known.secrets.database()
    is_object = {"database", "secret_json"} & set(methods)
    return known.secrets.other(name, json.dumps({}) if is_object else "local")
