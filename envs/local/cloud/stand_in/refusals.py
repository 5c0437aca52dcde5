"""The errors Bedrock answers with, by their names and HTTP statuses."""

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
