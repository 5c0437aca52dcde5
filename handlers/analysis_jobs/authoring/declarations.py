"""Describes the analyses of a package for its manifest. The Terraform module compares this with its settings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analysis_jobs.authoring.analysis import Analysis, load_analyses


def declared(modules: Sequence[str]) -> list[dict[str, Any]]:
    """Return what the analyses of the modules declare, as JSON, in the order of the modules.

    Raises `ConfigurationError` if a module is missing or defines no analysis, or if two analyses have the same name.
    """
    load_analyses(",".join(modules))  # the same checks as when a function starts
    return [_described(analysis, module) for module in modules for analysis in load_analyses(module).values()]


def _described(analysis: Analysis[Any, Any], module: str) -> dict[str, Any]:
    routes = {"submit": analysis.submit_route, "status": analysis.status_route, "download": analysis.download_route}
    priorities = {trigger.priority for trigger in analysis.triggers.values() if trigger.priority}
    return {
        "name": analysis.name,
        "module": module,
        "request": analysis.request.__name__,
        "result": analysis.result.__name__,
        "stages": [stage.__name__ for stage in analysis.stages],
        "model_id": analysis.model_id,
        "routes": [route for route in routes.values() if route is not None],
        "lanes": sorted(priorities),
        "tiers": list(analysis.tiers.order) if analysis.tiers else [],
        "triggers": sorted(analysis.triggers),
    }
