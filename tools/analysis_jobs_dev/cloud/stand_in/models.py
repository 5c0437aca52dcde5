"""Model IDs of Bedrock: the model, its limits, and the ARNs on which a caller needs the right to use it."""

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from analysis_jobs_dev.cloud.stand_in.refusals import RefusedError, invalid, require

_VENDORS = "ai21|amazon|anthropic|cohere|deepseek|google|meta|minimax|mistral|moonshot|nvidia|openai|qwen|writer|zai"
_MODEL = rf"(?P<model>(?:{_VENDORS})\.[a-z0-9][a-z0-9.\-]*(?::[a-z0-9]+)*)"
_ID = re.compile(rf"(?:(?P<geo>global|us-gov|us|eu|apac|jp|au|ca)\.)?{_MODEL}")
_ARN = re.compile(
    r"arn:(?P<partition>aws[a-z-]*):bedrock:(?P<region>[a-z0-9-]*):(?P<account>\d{12})?:"
    r"(?P<kind>foundation-model|inference-profile|application-inference-profile)/(?P<name>[^/]+)",
)

# The Regions of a geographic profile: it is called in one of them, and may send the call to any of them. Bedrock's own
# lists differ a little from model to model: these are those of Claude Sonnet 4.5.
# https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-support.html
DESTINATIONS: Final = {
    "apac": ("ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-south-2", "ap-southeast-1",
             "ap-southeast-2", "ap-southeast-4"),
    "au": ("ap-southeast-2", "ap-southeast-4"),
    "ca": ("ca-central-1", "us-east-1", "us-east-2", "us-west-2"),
    "eu": ("eu-central-1", "eu-north-1", "eu-south-1", "eu-south-2", "eu-west-1", "eu-west-3"),
    "jp": ("ap-northeast-1", "ap-northeast-3"),
    "us": ("us-east-1", "us-east-2", "us-west-1", "us-west-2"),
    "us-gov": ("us-gov-east-1", "us-gov-west-1"),
}  # fmt: skip

_END_OF_LIFE = re.compile(r"anthropic\.claude-(v1|v2|instant)")
# Everything after Claude 3.5 is sold through inference profiles only.
_PROFILE_ONLY = re.compile(
    r"anthropic\.claude-(?!3-(haiku|sonnet|opus|5)-)|meta\.llama(3-[2-9]|[4-9])|amazon\.nova-(premier|2)"
)
_BURNDOWN: Final = ((r"anthropic\.claude-(?!3-(haiku|sonnet|opus|5)-)", 5), (r"", 1))
_MAX_OUTPUT_TOKENS = (
    (r"anthropic\.claude-3-(haiku|sonnet|opus)", 4_096),
    (r"anthropic\.claude-3-5", 8_192),
    (r"anthropic\.claude-opus-4-(1-)?20", 32_000),
    (r"anthropic\.claude-(opus-(4-[678]|5)|sonnet-(4-6|5)|haiku-5|fable-5|mythos)", 128_000),
    (r"anthropic\.", 64_000),
    (r"amazon\.nova", 10_000),
    (r"gemini-", 65_536),
    (r"", 8_192),
)
_CONTEXT_TOKENS = ((r"anthropic\.", 200_000), (r"amazon\.nova", 300_000), (r"gemini-", 1_048_576), (r"", 128_000))


@dataclass(frozen=True)
class Model:
    """A model, as it is called in a Region.

    Attributes:
        name: the foundation model's ID; the opaque ID of an application inference profile.
        region: the Region of the call.
        geo: `eu`, `global`, … of an inference profile, else empty.
        profile_arn: the ARN of an application inference profile, else empty.

    """

    name: str
    region: str
    geo: str = ""
    profile_arn: str = ""

    @cached_property
    def max_output_tokens(self) -> int:
        """The most tokens that the model can write; a call without `maxTokens` reserves as many."""
        return _first(_MAX_OUTPUT_TOKENS, self.name)

    @cached_property
    def context_tokens(self) -> int:
        """The most tokens that the model can read."""
        return _first(_CONTEXT_TOKENS, self.name)

    @cached_property
    def burndown(self) -> int:
        """How many tokens of the quota one written token costs."""
        return _first(_BURNDOWN, self.name)

    def resources(self, account: str) -> list[str]:
        """Return every ARN on which the caller needs the invoke action; all of them must be allowed.

        https://docs.aws.amazon.com/bedrock/latest/userguide/inference-profiles-prereq.html
        """
        start = f"arn:{partition(self.region)}:bedrock"
        if self.profile_arn:
            return [self.profile_arn]
        here = f"{start}:{self.region}::foundation-model/{self.name}"
        if not self.geo:
            return [here]
        profile = f"{start}:{self.region}:{account}:inference-profile/{self.geo}.{self.name}"
        if self.geo == "global":
            return [profile, here, f"{start}:::foundation-model/{self.name}"]
        return [
            profile,
            *(f"{start}:{region}::foundation-model/{self.name}" for region in DESTINATIONS[self.geo]),
        ]


def partition(region: str) -> str:
    """Return the ARN partition of a Region."""
    return "aws-us-gov" if region.startswith("us-gov-") else "aws-cn" if region.startswith("cn-") else "aws"


def find(model_id: str, region: str) -> Model:
    """Return the model of an ID or ARN, whether or not the caller may use it.

    Raises:
        RefusedError: ValidationException for an invalid ID.

    """
    arn = _ARN.fullmatch(model_id)
    if arn and arn["kind"] == "application-inference-profile" and arn["account"]:
        return Model(arn["name"], arn["region"], profile_arn=model_id)
    found = _ID.fullmatch(arn["name"] if arn else model_id)
    is_profile = bool(found and found["geo"])
    if not found or (arn and is_profile != (arn["kind"] == "inference-profile")):
        raise invalid("The provided model identifier is invalid.")
    return Model(found["model"], arn["region"] if arn else region, found["geo"] or "")


def check_offered(model: Model, model_id: str) -> None:
    """Refuse a model that Bedrock does not offer to any caller in this Region.

    Raises:
        RefusedError: ResourceNotFoundException for a retired model; ValidationException for a profile of another
            geography, and for the bare ID of a model that is offered by profiles only.

    """
    if _END_OF_LIFE.match(model.name):
        raise RefusedError(
            "ResourceNotFoundException",
            "This model version has reached the end of its life. "
            "Please refer to the AWS documentation for more details.",
        )
    require(
        model.geo not in DESTINATIONS or model.region in DESTINATIONS[model.geo],
        "The provided model identifier is invalid.",
    )
    require(
        model.geo or model.profile_arn or not _PROFILE_ONLY.match(model.name),
        f"Invocation of model ID {model_id} with on-demand throughput isn\u2019t supported. "
        "Retry your request with the ID or ARN of an inference profile that contains this model.",
    )


def _first[Value](table: tuple[tuple[str, Value], ...], name: str) -> Value:
    """Return the value of the first pattern that the name begins with."""
    return next(value for pattern, value in table if re.match(pattern, name))
