"""The stand-in for Bedrock and Gemini: wire protocols, answers from a document, faults on demand; and the issuer."""

from cloud.stand_in.scenarios import Scenario
from cloud.stand_in.server import Remote, StandIn

__all__ = ["Remote", "Scenario", "StandIn"]
