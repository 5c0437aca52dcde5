"""A repeated request for an alias is answered as the first one. One for another version is still refused."""

from types import SimpleNamespace
from typing import Any

from analysis_jobs_dev.cloud.emulator import repeats


def test_only_a_repeated_request_succeeds_again() -> None:
    functions: dict[str, Any] = {"letters": {"aliases": {}}}

    def create(name: str, data: dict[str, Any]) -> Any:
        aliases = functions[name]["aliases"]
        if data["Name"] in aliases:
            return "ResourceConflictException"
        aliases[data["Name"]] = {"Name": data["Name"], "FunctionVersion": data["FunctionVersion"]}
        return aliases[data["Name"]]

    service = SimpleNamespace(
        _functions=functions, _create_alias=create, _get_alias=lambda name, alias: functions[name]["aliases"][alias]
    )
    repeats.install(service)
    wanted = {"Name": "live", "FunctionVersion": "1"}
    first = service._create_alias("letters", wanted)  # noqa: SLF001
    assert service._create_alias("letters", wanted) == first  # noqa: SLF001
    assert service._create_alias("letters", {**wanted, "FunctionVersion": "2"}) == "ResourceConflictException"  # noqa: SLF001
