"""The stand-in for Bedrock and Gemini, with their wire protocols and faults on demand; and the token issuer."""

from analysis_jobs_dev.cloud.stand_in.scenarios import Scenario
from analysis_jobs_dev.cloud.stand_in.server import Remote, StandIn

__all__ = ["Remote", "Scenario", "StandIn"]
