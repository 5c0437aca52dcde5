"""What an account has already: the provider for GitHub, and the state of an earlier bootstrap."""

from typing import Any

from botocore.exceptions import ClientError

__all__ = ["github_provider", "has_state"]

ISSUER = "token.actions.githubusercontent.com"
_ABSENT = {"404", "NoSuchBucket", "NoSuchKey", "NotFound"}


def github_provider(iam: Any) -> str | None:  # noqa: ANN401 - a boto3 client
    """Return the ARN of the account's OIDC provider for GitHub, None if it has none."""
    listed = iam.list_open_id_connect_providers()["OpenIDConnectProviderList"]
    return next((str(each["Arn"]) for each in listed if each["Arn"].endswith(f":oidc-provider/{ISSUER}")), None)


def has_state(s3: Any, bucket: str, key: str) -> bool:  # noqa: ANN401 - as above
    """Tell whether a bucket has an object. Raises ClientError if the caller may not know."""
    try:
        s3.head_object(Bucket=bucket, Key=key)
    except ClientError as error:
        if error.response["Error"]["Code"] in _ABSENT:
            return False
        raise
    return True
