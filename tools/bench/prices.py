"""List prices of AWS in USD, for us-east-1, without free tiers and discounts. Read on 2026-11-28.

Each price names the page that it is from. The cost of the models is not here: it is the same for every design.
"""

from collections import defaultdict
from dataclasses import dataclass, field

READ_ON = "2026-11-28"
_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """The price of one unit, and the page with the price."""

    usd: float
    unit: str
    source: str


PRICES = {
    "lambda_gb_s_arm64": Price(0.0000133334, "GB-s", "https://aws.amazon.com/lambda/pricing/"),
    "lambda_gb_s_x86_64": Price(0.0000166667, "GB-s", "https://aws.amazon.com/lambda/pricing/"),
    "lambda_request": Price(0.20 / _MILLION, "invocation", "https://aws.amazon.com/lambda/pricing/"),
    "dynamodb_write": Price(0.625 / _MILLION, "write unit", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "dynamodb_read": Price(0.125 / _MILLION, "read unit", "https://aws.amazon.com/dynamodb/pricing/on-demand/"),
    "sqs_request": Price(0.40 / _MILLION, "request", "https://aws.amazon.com/sqs/pricing/"),
    "sqs_fifo_request": Price(0.50 / _MILLION, "request", "https://aws.amazon.com/sqs/pricing/"),
    "s3_write": Price(0.005 / 1_000, "request", "https://aws.amazon.com/s3/pricing/"),
    "s3_read": Price(0.0004 / 1_000, "request", "https://aws.amazon.com/s3/pricing/"),
    "event": Price(1.00 / _MILLION, "event", "https://aws.amazon.com/eventbridge/pricing/"),
    "http_request": Price(1.00 / _MILLION, "request", "https://aws.amazon.com/api-gateway/pricing/"),
    "log_byte": Price(0.50 / 2**30, "byte", "https://aws.amazon.com/cloudwatch/pricing/"),
    "fargate_vcpu_s": Price(0.04048 / 3_600, "vCPU-s", "https://aws.amazon.com/fargate/pricing/"),
    "fargate_gb_s": Price(0.004445 / 3_600, "GB-s", "https://aws.amazon.com/fargate/pricing/"),
}


_PARTS = {
    "Lambda time": ("lambda_gb_s_arm64", "lambda_gb_s_x86_64", "fargate_vcpu_s", "fargate_gb_s"),
    "requests": ("lambda_request", "http_request", "event"),
    "table": ("dynamodb_write", "dynamodb_read"),
    "queue": ("sqs_request", "sqs_fifo_request"),
    "files": ("s3_write", "s3_read"),
    "logs": ("log_byte",),
}


@dataclass
class Bill:
    """Amounts by the names of the prices."""

    amounts: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))

    def add(self, name: str, amount: float) -> None:
        """Add an amount. Raises `KeyError` if there is no such price."""
        self.amounts[name] += amount
        _ = PRICES[name]

    @property
    def usd(self) -> float:
        """The sum."""
        return sum(PRICES[name].usd * amount for name, amount in self.amounts.items())

    @property
    def parts(self) -> dict[str, float]:
        """The USD of each part, such as the queue."""
        return {
            part: sum(PRICES[name].usd * self.amounts.get(name, 0) for name in names) for part, names in _PARTS.items()
        }
