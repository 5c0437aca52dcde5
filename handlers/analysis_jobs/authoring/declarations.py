"""Describes the analyses of a package for its manifest. The Terraform module compares this with its settings."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from analysis_jobs.authoring.analysis import Analyses, Analysis, load_analyses
from analysis_jobs.authoring.canary import Canary, input_with
from analysis_jobs.base.clock import from_ms
from analysis_jobs.base.errors import ConfigurationError
from analysis_jobs.base.field_errors import describe, field_errors
from analysis_jobs.base.ids import first_id_at
from analysis_jobs.base.model_json import accept
from analysis_jobs.documents import safe_filename


def declared(modules: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the analyses of the modules declare, as JSON, in the order of the modules.

    Raises `ConfigurationError` if a module is missing or defines no analysis, or if two analyses have the same name or
    the same route.
    """
    _check_routes(load_analyses(",".join(modules)))
    return [_described(analysis, module) for module in modules for analysis in load_analyses(module).values()]


def _check_routes(analyses: Analyses) -> None:
    """Refuse routes that match the same requests: only the parameters have other names."""
    taken: dict[str, str] = {}
    for analysis in analyses.values():
        for route in _routes(analysis):
            other = taken.setdefault(re.sub(r"\{\w+\}", "{}", route), analysis.name)
            if other != analysis.name:
                raise ConfigurationError(f"analyses {other} and {analysis.name} have the same route: {route}")


def _routes(analysis: Analysis[Any, Any]) -> list[str]:
    found = (analysis.submit_route, analysis.status_route, analysis.download_route)
    return [route for route in found if route is not None]


def _described(analysis: Analysis[Any, Any], module: str) -> dict[str, Any]:
    priorities = {trigger.priority for trigger in analysis.triggers.values() if trigger.priority}
    return {
        "name": analysis.name,
        "module": module,
        "request": analysis.request.__name__,
        "result": analysis.result.__name__,
        "stages": [stage.__name__ for stage in analysis.stages],
        "model_id": analysis.model_id,
        "mostly_waits": analysis.mostly_waits,
        "routes": _routes(analysis),
        "lanes": sorted(priorities),
        "tiers": list(analysis.tiers.order) if analysis.tiers else [],
        "triggers": sorted(analysis.triggers),
        "canaries": [_canary(analysis, canary) for canary in analysis.canaries],
    }


def _canary(analysis: Analysis[Any, Any], canary: Canary) -> dict[str, Any]:
    """Return a canary as JSON. Raises `ConfigurationError` if the analysis refuses its input."""
    try:
        names = {where: f"{first_id_at(from_ms(0))}/{safe_filename(path)}" for where, path in canary.documents.items()}
        accept(analysis.request, input_with(canary.input, names))
    except ConfigurationError as error:
        raise ConfigurationError(f"analysis {analysis.name}: canary {canary.name}: {error}") from error
    except ValidationError as error:
        why = describe(field_errors(error, whole="input"))
        raise ConfigurationError(
            f"analysis {analysis.name}: the input of the canary {canary.name} is refused: {why}"
        ) from error
    return canary.declared()
