"""Takes a model ID apart: geography, family, release."""

import re

# A model ID without its ARN is an optional geography, the family, and an optional release: eu. amazon.nova-pro -v1:0
GEOGRAPHY = re.compile(r"(global|us-gov|us|eu|apac|jp|au|ca)\.(?=[a-z0-9]+\.)")
RELEASE = re.compile(r"(-\d{8}|-v\d+|-\d{3}|-latest|-preview[a-z0-9-]*)*(:[a-z0-9:]+)?$")


def family_name(model_id: str) -> str:
    """Return the name of a model's family: `anthropic.claude-opus-5-5` for `eu.anthropic.claude-opus-5-5-v1:0`.

    An ARN counts by its last part. The opaque ID of an application inference profile is returned as it is.
    """
    name = model_id.rsplit("/", 1)[-1]
    geography = GEOGRAPHY.match(name)
    return RELEASE.sub("", name[geography.end() :] if geography else name)
