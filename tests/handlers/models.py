"""The model ports of both vendors, built as the worker builds them, against a stand-in."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3

from analysis_jobs import wiring
from analysis_jobs.base.clock import SystemClock
from analysis_jobs.base.secrets import Secrets
from analysis_jobs.llm.bedrock.model import BedrockModel
from analysis_jobs.llm.gemini.model import KEY_VARIABLE, GeminiModel
from analysis_jobs.llm.model import Model
from analysis_jobs.llm.silence import Silence

KEY_ARN = "arn:aws:ssm:eu-west-1:123456789012:parameter/gemini/key"
BEDROCK_ID = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"
GEMINI_ID = "gemini-2.5-flash"


class Keys:
    """API keys that AWS returns in order. The last key repeats."""

    def __init__(self, *keys: str) -> None:
        self._keys = list(keys)
        self.asked = 0

    def read(self, _arn: str) -> str:
        """Return the next key."""
        self.asked += 1
        return self._keys.pop(0) if len(self._keys) > 1 else self._keys[0]


def a_gemini_key(keys: Keys | None = None) -> Secrets:
    """Return secrets in which Gemini's variable leads to a key."""
    read = (keys or Keys("a key")).read
    return Secrets(lambda name: KEY_ARN if name == KEY_VARIABLE else "", read, SystemClock(), timedelta(minutes=5))


def bedrock_client(url: str) -> Any:
    """Return a client with the worker's own configuration, for another address."""
    return boto3.client(
        "bedrock-runtime",
        region_name="eu-west-1",
        endpoint_url=url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        config=wiring.MODEL_CONFIG,
    )


def bedrock(url: str, silence_s: float = 60) -> BedrockModel:
    """Return Bedrock's port with the worker's own client; only the address and the timeouts differ."""
    return BedrockModel(bedrock_client(url), Silence(fixed=timedelta(seconds=silence_s)))


def gemini(url: str, silence_s: float = 60, keys: Keys | None = None) -> GeminiModel:
    """Return Gemini's port."""
    return GeminiModel(a_gemini_key(keys), url, Silence(fixed=timedelta(seconds=silence_s)))


@dataclass(frozen=True)
class Vendor:
    """One vendor: a model, the port at an address, and the vendor's names for shared terms."""

    name: str
    model_id: str
    operation: str
    busy: str
    finished: str

    def port(self, url: str, silence_s: float = 60) -> Model:
        """Return the vendor's port at a stand-in."""
        make = gemini if self.name == "gemini" else bedrock
        return make(url, silence_s)


VENDORS = {
    "bedrock": Vendor("bedrock", BEDROCK_ID, "converse-stream", "ThrottlingException", "end_turn"),
    "gemini": Vendor("gemini", GEMINI_ID, "streamGenerateContent", "RESOURCE_EXHAUSTED", "STOP"),
}
