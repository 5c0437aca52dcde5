"""Documented quotas of single API calls that MiniStack does not enforce."""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html: all of a role, without white space.
MAX_INLINE_POLICY_CHARACTERS: Final = 10_240
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html: as JSON.
MAX_ENVIRONMENT_BYTES: Final = 4_096
# https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-putevent-size.html. Most Regions accept 1 MB since 2026.
# The library keeps to the older limit, which other partitions still have.
MAX_PUT_EVENTS_BYTES: Final = 256 * 1024
_TIME_BYTES: Final = 14
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
_GROUP_OR_DEDUPLICATION_ID: Final = re.compile(r"[!-~]{1,128}")
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_CreateQueue.html
_QUEUE_NAME: Final = re.compile(r"(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?")

type Call = Callable[..., Any]


def install(modules: Any) -> None:  # noqa: ANN401 - MiniStack has no types
    """Add the quotas to MiniStack's `eventbridge`, `iam`, `lambda_svc` and `sqs`."""
    iam, functions, events, sqs = modules.iam, modules.lambda_svc, modules.eventbridge, modules.sqs
    iam._IAM_HANDLERS["PutRolePolicy"] = _put_role_policy(iam)  # noqa: SLF001 - there is no setting for this, here and below
    functions._create_function = _with_environment(functions, functions._create_function)  # noqa: SLF001
    functions._update_config = _with_environment(functions, functions._update_config)  # noqa: SLF001
    events._put_events = _put_events(events)  # noqa: SLF001
    sqs._HANDLERS["CreateQueue"] = _create_queue(sqs)  # noqa: SLF001
    sqs._act_send_message = sqs._HANDLERS["SendMessage"] = _send_message(sqs)  # noqa: SLF001


def policy_characters(document: str) -> int:
    """Return the size of a policy document as IAM counts it."""
    return len(re.sub(r"\s", "", document))


def environment_bytes(variables: Mapping[str, str]) -> int:
    """Return the size of a function's environment variables as Lambda measures them."""
    return len(json.dumps(variables, ensure_ascii=False, separators=(",", ":")).encode())


def event_bytes(entry: Mapping[str, Any]) -> int:
    """Return the size of an entry of PutEvents as EventBridge calculates it."""
    texts = [entry.get("Source"), entry.get("DetailType"), entry.get("Detail"), *(entry.get("Resources") or [])]
    return sum(len(str(text or "").encode()) for text in texts) + (_TIME_BYTES if entry.get("Time") else 0)


def unfit_message_id(name: str, value: str | None) -> str | None:
    """Return SQS's complaint about a `MessageGroupId` or `MessageDeduplicationId`, None if it is right or absent."""
    if value is None or _GROUP_OR_DEDUPLICATION_ID.fullmatch(value):
        return None
    return (
        f"Value {value} for parameter {name} is invalid. Reason: {name} can only include alphanumeric and punctuation "
        "characters. 1 to 128 in length."
    )


def _put_role_policy(iam: Any) -> Call:  # noqa: ANN401 - as above
    put = iam._put_role_policy  # noqa: SLF001

    def limited(given: Any) -> Any:  # noqa: ANN401 - as above
        role, name, document = (iam._p(given, key) for key in ("RoleName", "PolicyName", "PolicyDocument"))  # noqa: SLF001
        there = (iam._roles.get(role) or {}).get("InlinePolicies", {})  # noqa: SLF001
        documents = {**there, name: document}.values()
        if sum(policy_characters(each if isinstance(each, str) else json.dumps(each)) for each in documents) > (
            MAX_INLINE_POLICY_CHARACTERS
        ):
            message = f"Maximum policy size of {MAX_INLINE_POLICY_CHARACTERS} bytes exceeded for role {role}"
            return iam._error(409, "LimitExceeded", message, ns="iam")  # noqa: SLF001
        return put(given)

    return limited


def _with_environment(functions: Any, call: Call) -> Call:  # noqa: ANN401 - as above
    def limited(*request: Any) -> Any:  # noqa: ANN401 - as above
        variables = (request[-1].get("Environment") or {}).get("Variables") or {}
        if environment_bytes(variables) > MAX_ENVIRONMENT_BYTES:
            message = (
                "Lambda was unable to configure your environment variables because the environment variables you have "
                f"provided exceeded the 4KB limit. Bytes measured: {environment_bytes(variables)}"
            )
            return functions.error_response_json("InvalidParameterValueException", message, 400)
        return call(*request)

    return limited


def _put_events(events: Any) -> Call:  # noqa: ANN401 - as above
    put = events._put_events  # noqa: SLF001

    def limited(data: Any, *more: Any, **options: Any) -> Any:  # noqa: ANN401 - as above
        if sum(event_bytes(entry) for entry in data.get("Entries", [])) > MAX_PUT_EVENTS_BYTES:
            message = "Total size of the entries in the request is over the limit."
            return events.error_response_json("ValidationException", message, 400)
        return put(data, *more, **options)

    return limited


def _create_queue(sqs: Any) -> Call:  # noqa: ANN401 - as above
    create = sqs._HANDLERS["CreateQueue"]  # noqa: SLF001

    def limited(data: Any, *more: Any) -> Any:  # noqa: ANN401 - as above
        if not _QUEUE_NAME.fullmatch(data.get("QueueName", "")):
            message = "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length"
            raise sqs._Err("InvalidParameterValue", message)  # noqa: SLF001
        return create(data, *more)

    return limited


def _send_message(sqs: Any) -> Call:  # noqa: ANN401 - as above
    send = sqs._act_send_message  # noqa: SLF001

    def limited(data: Any, *more: Any) -> Any:  # noqa: ANN401 - as above
        for name in ("MessageGroupId", "MessageDeduplicationId"):
            if complaint := unfit_message_id(name, data.get(name)):
                raise sqs._Err("InvalidParameterValue", complaint)  # noqa: SLF001
        return send(data, *more)

    return limited
