"""The errors Bedrock and Gemini answer with, by their names and HTTP statuses."""

from typing import Final

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html#API_runtime_Converse_Errors
STATUS: Final = {
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

MESSAGES: Final = {
    "InternalServerException": "The system encountered an unexpected error during processing. Try your request again.",
    "ModelErrorException": "The model returned an error while processing the request.",
    "ModelNotReadyException": "Model is not ready for inference. Wait and try your request again.",
    "ModelStreamErrorException": "The model produced an invalid sequence. Try your request again.",
    "ModelTimeoutException": "Model has timed out in processing the request. Try your request again.",
    "ServiceQuotaExceededException": "Your request exceeds the service quota for your account.",
    "ServiceUnavailableException": "Bedrock is unable to process your request.",
    "ThrottlingException": "Too many tokens, please wait before trying again.",
}

# The errors ConverseStream can send after its first byte, and how each is spelt there.
IN_STREAM: Final = {
    "internalServerException": "InternalServerException",
    "modelStreamErrorException": "ModelStreamErrorException",
    "serviceUnavailableException": "ServiceUnavailableException",
    "throttlingException": "ThrottlingException",
    "validationException": "ValidationException",
}


# Gemini's names, and their HTTP statuses. https://ai.google.dev/gemini-api/docs/troubleshooting
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
# A scenario names an error by either vendor's name: what it is called by the other one.
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
AS_BEDROCK: Final = {
    "DEADLINE_EXCEEDED": "ModelTimeoutException",
    "INTERNAL": "InternalServerException",
    "INVALID_ARGUMENT": "ValidationException",
    "NOT_FOUND": "ResourceNotFoundException",
    "PERMISSION_DENIED": "AccessDeniedException",
    "RESOURCE_EXHAUSTED": "ThrottlingException",
    "UNAVAILABLE": "ServiceUnavailableException",
}


class BedrockError(Exception):
    """An answer other than 200: `code` is Bedrock's name of it, `status` the HTTP status."""

    def __init__(self, code: str, message: str = "") -> None:
        self.code = code
        self.message = message or MESSAGES.get(code, "The stand-in was told to fail.")
        self.status = STATUS.get(code, 400)
        super().__init__(f"{code}: {self.message}")


class HungUpError(Exception):
    """The caller closed its end of the connection before the answer was complete."""


def invalid(message: str) -> BedrockError:
    """Return a ValidationException, the most common refusal."""
    return BedrockError("ValidationException", message)
