"""The errors of Bedrock and Gemini: names, HTTP statuses and messages."""

from collections.abc import Mapping
from typing import Any, Final

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
BEDROCK_STATUS: Final = {
    "AccessDeniedException": 403,
    "ExpiredTokenException": 403,
    "InternalServerException": 500,
    "InvalidSignatureException": 403,
    "MissingAuthenticationTokenException": 403,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelStreamErrorException": 424,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "SerializationException": 400,
    "ServiceQuotaExceededException": 400,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "UnrecognizedClientException": 403,
    "ValidationException": 400,
}
# The errors that ConverseStream can send after its first byte. Their names begin with a small letter there.
IN_STREAM: Final = {
    "internalServerException": "InternalServerException",
    "modelStreamErrorException": "ModelStreamErrorException",
    "serviceUnavailableException": "ServiceUnavailableException",
    "throttlingException": "ThrottlingException",
    "validationException": "ValidationException",
}
# https://ai.google.dev/gemini-api/docs/troubleshooting
GEMINI_STATUS: Final = {
    "ABORTED": 409,
    "CANCELLED": 499,
    "DEADLINE_EXCEEDED": 504,
    "FAILED_PRECONDITION": 400,
    "INTERNAL": 500,
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "OUT_OF_RANGE": 400,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "UNAUTHENTICATED": 401,
    "UNAVAILABLE": 503,
    "UNKNOWN": 500,
}
# A scenario may use either vendor's name for an error; these are the equivalents.
AS_GEMINI: Final = {
    "AccessDeniedException": "PERMISSION_DENIED",
    "InternalServerException": "INTERNAL",
    "ModelErrorException": "UNKNOWN",
    "ModelNotReadyException": "UNAVAILABLE",
    "ModelStreamErrorException": "UNKNOWN",
    "ModelTimeoutException": "DEADLINE_EXCEEDED",
    "ResourceNotFoundException": "NOT_FOUND",
    "ServiceQuotaExceededException": "RESOURCE_EXHAUSTED",
    "ServiceUnavailableException": "UNAVAILABLE",
    "ThrottlingException": "RESOURCE_EXHAUSTED",
    "UnrecognizedClientException": "UNAUTHENTICATED",
    "ValidationException": "INVALID_ARGUMENT",
}
# Of several equivalents the last one counts, for example ThrottlingException for RESOURCE_EXHAUSTED.
AS_BEDROCK: Final = {gemini: bedrock for bedrock, gemini in AS_GEMINI.items()}

_MESSAGES: Final = {
    "InternalServerException": "The system encountered an unexpected error during processing. Try your request again.",
    "ModelErrorException": "The model returned an error while processing the request.",
    "ModelNotReadyException": "Model is not ready for inference. Wait and try your request again.",
    "ModelStreamErrorException": "The model produced an invalid sequence. Try your request again.",
    "ModelTimeoutException": "Model has timed out in processing the request. Try your request again.",
    "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "ThrottlingException": "Too many tokens, please wait before trying again.",
    "INTERNAL": "An internal error has occurred. Please retry or report in "
    "https://developers.generativeai.google/guide/troubleshooting",
    "RESOURCE_EXHAUSTED": "You exceeded your current quota, please check your plan and billing details.",
    "UNAVAILABLE": "The model is overloaded. Please try again later.",
}


class RefusedError(Exception):
    """An error answer: its name at the service, its HTTP status, its message, and the details that Google adds."""

    def __init__(self, name: str, message: str = "", *details: Mapping[str, Any]) -> None:
        self.name = name
        self.message = message or _MESSAGES.get(name, "The stand-in was told to fail.")
        self.status = BEDROCK_STATUS.get(name) or GEMINI_STATUS.get(name, 400)
        self.details = details
        super().__init__(f"{name}: {self.message}")


class HungUpError(Exception):
    """The caller closed the connection before the answer was complete."""


def invalid(message: str) -> RefusedError:
    """Return Bedrock's ValidationException."""
    return RefusedError("ValidationException", message)


def require(condition: object, message: str) -> None:
    """Raise Bedrock's ValidationException unless the condition holds."""
    if not condition:
        raise invalid(message)
