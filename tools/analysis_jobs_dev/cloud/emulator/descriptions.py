"""Completes what MiniStack says about existing resources. Terraform would else plan to change them again and again.

- `DescribeAlarms` in the Query protocol leaves out most fields of an alarm.
- `GetAuthorizer` returns fields of Lambda authorizers for a JWT authorizer, which has none of them.
"""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from xml.sax.saxutils import escape

_OF_LAMBDA_AUTHORIZERS: Final = (
    "authorizerCredentialsArn",
    "authorizerPayloadFormatVersion",
    "authorizerResultTtlInSeconds",
    "authorizerUri",
    "enableSimpleResponses",
)
_TIMES: Final = ("AlarmConfigurationUpdatedTimestamp", "StateUpdatedTimestamp")


def install(apigateway: Any, cloudwatch: Any) -> None:  # noqa: ANN401 - MiniStack has no types
    """Replace the functions of MiniStack's modules."""
    describe, get = cloudwatch._describe_alarms, apigateway._get_authorizer  # noqa: SLF001 - there is no setting for this

    def describe_alarms(params: Any, cbor: Any, is_cbor: Any, is_json: Any = False) -> Any:  # noqa: ANN401, FBT002 - MiniStack's signature
        status, headers, body = answered = describe(params, cbor, is_cbor, is_json)
        if is_cbor or is_json or status != 200:  # noqa: PLR2004 - OK
            return answered
        return status, headers, _with_whole_alarms(body.decode(), cloudwatch._alarms).encode()  # noqa: SLF001 - as above

    def get_authorizer(api_id: str, authorizer_id: str) -> Any:  # noqa: ANN401 - as above
        status, headers, body = get(api_id, authorizer_id)
        return status, headers, json.dumps(_without_foreign_fields(json.loads(body))).encode()

    cloudwatch._describe_alarms = describe_alarms  # noqa: SLF001 - as above
    apigateway._get_authorizer = get_authorizer  # noqa: SLF001 - as above


def _without_foreign_fields(authorizer: Mapping[str, Any]) -> dict[str, Any]:
    if authorizer.get("authorizerType") != "JWT":
        return dict(authorizer)
    return {name: value for name, value in authorizer.items() if name not in _OF_LAMBDA_AUTHORIZERS}


def _with_whole_alarms(body: str, alarms: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the answer with all fields of each metric alarm in it."""
    before, opening, rest = body.partition("<MetricAlarms>")
    listed, closing, after = rest.partition("</MetricAlarms>")
    names = [part.partition("</AlarmName>")[0] for part in listed.split("<AlarmName>")[1:]]
    members = "".join(f"<member>{_fields(alarms[name])}</member>" for name in names if name in alarms)
    return f"{before}{opening}{members}{closing}{after}"


def _fields(alarm: Mapping[str, Any]) -> str:
    """Return the elements of an alarm, or of a part of it."""
    # An alarm on an expression of several metrics has no period and no statistic of its own.
    on_expression = "AlarmName" in alarm and not alarm.get("MetricName")
    left_out = {"Period", "Statistic"} if on_expression else set()
    return "".join(
        _element(name, value) for name, value in alarm.items() if value not in (None, "") and name not in left_out
    )


def _element(name: str, value: Any) -> str:  # noqa: ANN401 - JSON
    if name in _TIMES and isinstance(value, int | float):
        value = datetime.fromtimestamp(value, UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, bool):
        value = str(value).lower()
    if isinstance(value, Mapping):
        return f"<{name}>{_fields(value)}</{name}>"
    if isinstance(value, list):
        return f"<{name}>{''.join(_element('member', each) for each in value)}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"
