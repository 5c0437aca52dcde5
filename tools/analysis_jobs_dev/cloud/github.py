"""Takes a role of the local cloud as a job on GitHub does: with a token of GitHub's OIDC provider.

The local cloud checks the issuer, the audience and the subject against the role's trust policy. It does not check the
signature, so the token here has none.
"""

import base64
import json
import time
from collections.abc import Mapping

from analysis_jobs_dev.cloud.connection import Connection

ISSUER = "https://token.actions.githubusercontent.com"
AUDIENCE = "sts.amazonaws.com"
LIFE_S = 300


def token(subject: str, audience: str = AUDIENCE, issuer: str = ISSUER) -> str:
    """Return an unsigned token with a subject such as `repo:acme/letters:environment:staging`."""
    now = int(time.time())
    claims = {"aud": audience, "exp": now + LIFE_S, "iat": now, "iss": issuer, "sub": subject}
    return f"{_part({'alg': 'none', 'typ': 'JWT'})}.{_part(claims)}."


def web_identity(connection: Connection, role_arn: str, subject: str, **claims: str) -> dict[str, str]:
    """Return the credentials of a role as environment variables.

    Raises botocore's ClientError if the role does not trust the token.
    """
    taken = connection.boto3("sts").assume_role_with_web_identity(
        RoleArn=role_arn, RoleSessionName="github", WebIdentityToken=token(subject, **claims)
    )["Credentials"]
    return {
        "AWS_ACCESS_KEY_ID": taken["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": taken["SecretAccessKey"],
        "AWS_SESSION_TOKEN": taken["SessionToken"],
    }


def _part(content: Mapping[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")
