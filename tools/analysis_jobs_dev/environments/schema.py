"""The JSON schema of an environment's configuration.

`for_root` is the schema for one project: `settings` are the variables of its Terraform root, and nothing else. It
checks a configuration, and an editor can use it. `published` is the schema for all projects: it knows the examples of
this repository, and offers the module's variables for other projects. The schemas are draft 7, which all editors know.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from analysis_jobs_dev.environments import variables
from analysis_jobs_dev.environments.variables import Variable

__all__ = ["LANES", "NAME", "OF_THE_ROOT", "REGION", "TOP_LEVEL", "RootInterface", "for_root", "published"]

type Schema = dict[str, Any]

DRAFT = "http://json-schema.org/draft-07/schema#"
TITLE = "An environment of analysis-jobs"
# The rules of the module: `name`, `model_access.regions`, `analyses` and `lanes`.
NAME = "^[a-z][a-z0-9-]{0,48}[a-z0-9]$"
REGION = "^[a-z]{2}(-[a-z]+)+-[0-9]$"
MODULE_PATH = "^[A-Za-z_][A-Za-z0-9_]*(\\.[A-Za-z_][A-Za-z0-9_]*)*$"
LANES = ("high", "medium", "low")
POLICY_ARN = "^arn:[a-z-]+:iam::([0-9]{12}|aws):policy/[A-Za-z0-9/+=,.@_-]+$"
BUCKET = "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
STATE_KEY = "^[^/\\s](.*[^/\\s])?$"
ROLE = "^arn:aws[a-z-]*:iam::[0-9]{12}:role/[A-Za-z0-9+=,.@_/-]+$"
# The variables that keys beside `settings` set. A root need not have them; the Region is also that of the provider.
OF_THE_ROOT = ("analyses", "lanes", "name")
TOP_LEVEL = (*OF_THE_ROOT, "region")
MANAGED = frozenset({*TOP_LEVEL, "package"})
SETTINGS = "settings"

_STEP: Schema = {
    "type": "object",
    "description": "One step: the share of the calls that the new version gets, and how long the alarms are watched.",
    "properties": {
        "percent": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 100},
        "wait_s": {"type": "integer", "minimum": 0, "maximum": 86400},
    },
    "required": ["percent", "wait_s"],
    "additionalProperties": False,
}
# How a deployment moves the callers to the new version.
DEPLOYMENT: Schema = {
    "type": "object",
    "description": "How a deployment moves the callers to the new version. Without it, all of them at once.",
    "properties": {"steps": {"type": "array", "description": "The steps before all calls move.", "items": _STEP}},
    "additionalProperties": False,
}
_COMMON: Mapping[str, Schema] = {
    "$schema": {"type": "string", "description": "Path or URL of this schema, for editors."},
    "project": {
        "type": "string",
        "minLength": 1,
        "description": "Folder of the project, relative to the folder that has `envs`.",
        "default": ".",
    },
    "region": {
        "type": "string",
        "pattern": REGION,
        "description": "Region of the stack.",
        "examples": ["eu-west-1", "us-east-1"],
    },
    "package_bucket": {
        "type": ["string", "null"],
        "pattern": BUCKET,
        "description": "Bucket in the Region, which packages are uploaded to. Lambda requires it for a zip over 50 MB.",
    },
    "permissions_boundary_arn": {
        "type": ["string", "null"],
        "pattern": POLICY_ARN,
        "description": "Boundary of the functions' roles. `analysis-jobs bootstrap` makes and prints it.",
    },
    "state": {
        "type": "object",
        "description": "Where Terraform's state is kept, in S3. The bucket is in the Region of the environment.",
        "properties": {
            "bucket": {
                "type": ["string", "null"],
                "pattern": BUCKET,
                "description": "The bucket. Default: the environment variable TF_STATE_BUCKET.",
            },
            "key": {"type": "string", "pattern": STATE_KEY, "description": "The key in the bucket."},
        },
        "additionalProperties": False,
    },
    "package": {
        "type": "string",
        "minLength": 1,
        "description": "Path of the package's manifest. Default: that of arm64, which `analysis-jobs package` writes.",
    },
    "deployment": DEPLOYMENT,
    "roles": {
        "type": "object",
        "description": "The roles that GitHub Actions takes. `analysis-jobs bootstrap` makes them.",
        "properties": {
            "plan": {"type": "string", "pattern": ROLE, "description": "The role that reads, for plans."},
            "deploy": {"type": "string", "pattern": ROLE, "description": "The role that deploys."},
        },
        "required": ["deploy", "plan"],
        "additionalProperties": False,
    },
}
_NAME: Schema = {"type": "string", "pattern": NAME, "description": "Prefix of all names in the stack."}
_ANALYSES: Schema = {
    "type": "array",
    "items": {"type": "string", "pattern": MODULE_PATH},
    "minItems": 1,
    "uniqueItems": True,
    "description": "Import paths of the modules that declare the analyses. pyproject.toml must have them too.",
}


@dataclass(frozen=True)
class RootInterface:
    """The variables of a Terraform root, as a configuration sets them.

    A root may have one object variable `settings` beside others. Then its attributes and the other variables are
    written side by side in the configuration's `settings`, and `values` separates them.
    """

    variables: Mapping[str, Variable]

    @classmethod
    def read(cls, root: Path) -> "RootInterface":
        """Read the root in a folder. Raises `UnreadableRootError`."""
        given = variables.given_names(root)
        found = variables.read(root)
        return cls(
            {
                name: Variable(name, each.schema, each.is_required and name not in given, each.is_sensitive)
                for name, each in found.items()
            }
        )

    def has(self, name: str) -> bool:
        """Tell whether the root has a variable."""
        return name in self.variables

    @cached_property
    def inner(self) -> Schema:
        """The properties of the object variable `settings`; empty without one."""
        variable = self.variables.get(SETTINGS)
        properties: Schema = variable.schema.get("properties", {}) if variable else {}
        return properties

    @cached_property
    def clashes(self) -> list[str]:
        """The attributes of `settings` that have the name of another variable, so that nobody could set both."""
        return sorted(set(self.inner) & (set(self.variables) - MANAGED))

    @cached_property
    def settings(self) -> Schema:
        """The schema of the configuration's `settings`."""
        own = {
            name: each
            for name, each in self.variables.items()
            if name not in MANAGED and not each.is_sensitive and not (name == SETTINGS and self.inner)
        }
        required = {name for name, each in own.items() if each.is_required}
        if self.inner and self.variables[SETTINGS].is_required:
            required |= set(self.variables[SETTINGS].schema.get("required", ()))
        properties = {**self.inner, **{name: each.schema for name, each in own.items()}}
        return {
            "type": "object",
            "description": "The variables of the Terraform root.",
            "properties": {name: _with_lanes(name, schema) for name, schema in sorted(properties.items())},
            **({"required": sorted(required)} if required else {}),
            "additionalProperties": False,
        }

    def values(self, settings: Mapping[str, Any]) -> dict[str, Any]:
        """Return the root's variables for the configuration's `settings`."""
        if not self.inner:
            return dict(settings)
        inside = {name: value for name, value in settings.items() if name in self.inner}
        return {**{name: value for name, value in settings.items() if name not in self.inner}, SETTINGS: inside}


def for_root(root: RootInterface, *, is_filled: bool = False) -> Schema:
    """Return the schema of a configuration for a root.

    With `is_filled`, settings may be missing: the local cloud fills them in.
    """
    settings = _without_required(root.settings) if is_filled else root.settings
    known = _known(root)
    needed = [name for name in ("name",) if name in known and root.variables[name].is_required]
    top = [*needed, "region", *([SETTINGS] if "required" in settings else [])]
    return _document({**known, SETTINGS: settings}, top, title=TITLE)


def published(module: RootInterface, examples: Mapping[str, RootInterface]) -> Schema:
    """Return the schema for all projects: for the examples by their paths, and for others.

    Another project has a root of its own, so that this schema cannot know its variables. It offers the module's.
    `analysis-jobs config --schema` prints the schema of a project.
    """
    offered = {"type": "object", "description": module.settings["description"], "additionalProperties": True}
    known = {**_known(module), SETTINGS: offered}
    schema = _document(known, ["region"], title=TITLE)
    definitions = {path: root.settings for path, root in sorted(examples.items())}
    others: Schema = {"required": ["project"], "properties": {"project": {"enum": sorted(examples)}}}
    schema["allOf"] = [
        {
            "if": {"required": ["project"], "properties": {"project": {"const": path}}},
            "then": {
                "required": ["name", *([SETTINGS] if "required" in settings else [])],
                "properties": {SETTINGS: {"$ref": f"#/definitions/{path.replace('/', '~1')}"}},
            },
        }
        for path, settings in definitions.items()
    ]
    schema["allOf"].append(
        {"if": {"not": others}, "then": {"properties": {SETTINGS: {"properties": module.settings["properties"]}}}}
    )
    schema["definitions"] = definitions
    return schema


def _known(root: RootInterface) -> dict[str, Schema]:
    """Return the schemas of the keys beside `settings` that fit a root."""
    own = {
        "name": _NAME,
        "analyses": _ANALYSES,
        "lanes": _with_lanes("lanes", root.variables["lanes"].schema) if root.has("lanes") else {},
    }
    return {**_COMMON, **{name: schema for name, schema in own.items() if root.has(name)}}


def _with_lanes(name: str, schema: Schema) -> Schema:
    """Return the schema of `lanes` with the names that the module accepts. Other schemas are returned as they are."""
    is_map = name == "lanes" and "additionalProperties" in schema and "properties" not in schema
    return {**schema, "propertyNames": {"enum": list(LANES)}, "minProperties": 1} if is_map else schema


def _document(properties: Mapping[str, Schema], required: list[str], *, title: str) -> Schema:
    return {
        "$schema": DRAFT,
        "title": title,
        "type": "object",
        "properties": dict(sorted(properties.items())),
        "required": required,
        "additionalProperties": False,
    }


def _without_required(schema: Schema) -> Schema:
    """Return the schema that accepts objects without some of their attributes."""
    kept = {key: value for key, value in schema.items() if key != "required"}
    if properties := kept.get("properties"):
        kept["properties"] = {name: _without_required(each) for name, each in properties.items()}
    for key in ("items", "additionalProperties"):
        if isinstance(inner := kept.get(key), dict):
            kept[key] = _without_required(inner)
    return kept
