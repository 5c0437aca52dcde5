"""Makes the subject of an examination from the configuration of an environment and from what is deployed."""

import json
from collections.abc import Mapping
from typing import Any

from analysis_jobs_dev.doctor.subject import AWS_ERRORS, FUNCTIONS, Function, Subject, deployed
from analysis_jobs_dev.environments.model import Environment

NAMES = "names"


def subject_of(environment: Environment) -> Subject:
    """Return the subject. Its functions are empty if nothing is deployed, or nobody is signed in.

    Raises `NotReadableError` if Lambda cannot be asked for another reason.
    """
    manifest = _manifest(environment)
    functions = deployed(environment.region, function_names(environment)) if environment.stack else {}
    subject = Subject(
        stack=environment.stack or environment.project.name,
        region=environment.region,
        models=_models(environment, manifest, functions.get("worker")),
        functions=functions,
        manifest=manifest,
        prompts=environment.project.prompts,
    )
    return Subject(**{**vars(subject), "concurrency": _concurrency(subject)})


def function_names(environment: Environment) -> dict[str, str]:
    """Return the names of the functions, by their short names: those of the setting `names`, or the module's."""
    given = (environment.variables.get(NAMES) or {}).get("functions") or {}
    return {short: given.get(short) or f"{environment.stack}-{short}" for short in FUNCTIONS}


def _manifest(environment: Environment) -> Mapping[str, Any] | None:
    if not environment.package.is_file():
        return None
    found: Mapping[str, Any] = json.loads(environment.package.read_text(encoding="utf-8"))
    return found


def _models(environment: Environment, manifest: Mapping[str, Any] | None, worker: Function | None) -> tuple[str, ...]:
    """Return the models that jobs use: the stack's default, and those that the analyses declare."""
    analyses = manifest["declarations"]["analyses"] if manifest else []
    found = [environment.variables.get("model_id"), *(each.get("model_id") for each in analyses)]
    if worker is not None:
        found.append(worker.variables.get("MODEL_ID"))
    # The models of other vendors are called with a key of their own, not through Bedrock.
    return tuple(dict.fromkeys(each for each in found if each and not each.startswith("gemini")))


def _concurrency(subject: Subject) -> dict[str, int | None]:
    """Return the limit of each lane's mapping, by the name of its queue; None for a lane without a limit."""
    if subject.worker is None:
        return {}
    try:
        pages = subject.client("lambda").get_paginator("list_event_source_mappings")
        mappings = [
            mapping
            for page in pages.paginate(FunctionName=f"{subject.worker.name}:live")
            for mapping in page["EventSourceMappings"]
        ]
    except AWS_ERRORS:
        return {}  # `stack.concurrency` asks Lambda too, and reports the error
    return {
        mapping["EventSourceArn"].rpartition(":")[2]: mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        for mapping in mappings
    }
