"""The models of the benchmarks against figures that were computed by hand."""

import math
import re
from typing import Any

import pytest

from analysis_jobs.worker import slots
from bench import cost, designs, packing, walls
from bench.packing import Packed, Worker, arrivals, durations, simulated
from bench.prices import PRICES, Bill
from bench.processes import REPOSITORY
from bench.sweeps import MEMORY_MB, TIMEOUT_S, backlog_minutes, usd_a_month
from bench.token_buckets import equal_shares, skewed_shares
from bench.token_buckets import simulated as flowed

NOTHING: dict[str, Any] = {"requests": {}, "units": {}, "events": 0, "log_bytes": 0}


def counts(requests: dict[str, int], units: int = 0, events: int = 0) -> dict[str, dict[str, Any]]:
    work = NOTHING | {"requests": requests, "units": {"job": units}, "events": events}
    return {"submit": NOTHING, "work": work, "poll": NOTHING}


def test_the_time_of_a_worker_is_seconds_times_memory_times_price() -> None:
    alone = Packed(jobs=1_000, job_s=300_000, invocation_s=300_000, invocations=0)
    made = cost.bill(1_024, alone, counts({}), counts({}), polls=0)
    # 300,000 s x 1 GB, and 1,000 submissions x 0.02 s x 0.5 GB, for 0.0000133334 USD each.
    assert made.parts["Lambda time"] == pytest.approx(4.00002 + 0.000133334)


def test_each_job_is_billed_its_write_units_and_requests() -> None:
    packed = Packed(jobs=1_000, job_s=300_000, invocation_s=0.0001)
    made = cost.bill(0, packed, counts({"sqs:SendMessage": 5}, 34), counts({"sqs:SendMessage": 50}, 340), polls=0)
    assert made.amounts["dynamodb_write"] == pytest.approx(34_000)
    assert made.amounts["sqs_request"] == pytest.approx(5_000)
    assert made.parts["table"] == pytest.approx(34_000 * 0.625e-6)
    assert made.parts["queue"] == pytest.approx(5_000 * 0.4e-6)


@pytest.mark.parametrize(("share", "each"), [(1, 21), (2, 11), (10, 3)])
def test_a_request_for_all_jobs_of_an_invocation_is_divided_by_them(share: float, each: float) -> None:
    """One request for each job, and 20 for each invocation, whether it has one job or ten."""
    packed = Packed(jobs=1_000, job_s=300_000, invocation_s=300_000 / share)
    one, ten = counts({"sqs:ChangeMessageVisibility": 21}), counts({"sqs:ChangeMessageVisibility": 30})
    made = cost.bill(0, packed, one, ten, polls=0)
    assert made.amounts["sqs_request"] == pytest.approx(1_000 * each)


def test_a_poll_is_a_call_of_the_api_and_a_read() -> None:
    without, with_polls = (cost.bill(0, Packed(), counts({}), counts({}), polls=polls) for polls in (0, 20))
    # 20,000 x (1.00 + 0.20 + 0.125) USD for a million, 200 GB-s x 0.5, and 20 MB of logs for 0.50 USD a GB.
    assert with_polls.usd - without.usd == pytest.approx(0.0265 + 0.002667 + 0.009313, abs=1e-5)


def test_the_requests_that_units_pay_for_are_not_billed_twice() -> None:
    assert cost.price_of("dynamodb:UpdateItem") is None
    assert cost.price_of("dynamodb:GetItem") == "dynamodb_read"
    assert cost.price_of("s3:PutObject") == "s3_write"
    assert cost.price_of("s3:GetObject") == "s3_read"
    assert cost.price_of("bedrock-runtime:ConverseStream") is None


def test_every_price_names_its_page_and_has_a_part_in_the_tables() -> None:
    for name, price in PRICES.items():
        assert price.source.startswith("https://aws.amazon.com/")
        bill = Bill()
        bill.add(name, 1_000)
        assert sum(bill.parts.values()) == pytest.approx(bill.usd) == pytest.approx(price.usd * 1_000)


def test_a_price_that_does_not_exist_is_an_error() -> None:
    with pytest.raises(KeyError):
        Bill().add("no_such_price", 1)


def test_a_design_of_one_job_an_invocation_costs_its_memory() -> None:
    [book] = [design for design in designs.DESIGNS if design.name == "book-valuation"]
    made = designs.bill(book, polls=0)
    # 300,000 s x 0.25 GB, and 1,000 submissions x 0.02 s x 0.5 GB, for 0.0000166667 USD each; 3,000 requests to SQS.
    assert made.parts["Lambda time"] == pytest.approx(1.2500025 + 0.000166667)
    assert made.parts["queue"] == pytest.approx(0.0012)
    # A line of 1,000 bytes for each job, 500 bytes of Lambda for 2,000 invocations, 500 bytes of API Gateway for 1,000.
    assert made.parts["logs"] == pytest.approx((1_000_000 + 1_000_000 + 500_000) * 0.5 / 2**30)


def test_a_container_is_billed_while_it_works_on_one_job_after_the_other() -> None:
    [container] = [design for design in designs.DESIGNS if design.vcpu]
    made = designs.bill(container, polls=0)
    container_usd = 300_000 / 3_600 * (0.25 * 0.04048 + 0.5 * 0.004445)
    assert made.parts["Lambda time"] == pytest.approx(container_usd + 0.000166667)


def test_one_job_an_invocation_takes_the_time_of_all_jobs() -> None:
    found = simulated(Worker(1, refills=False), arrivals(10, 0), durations(10, 300, 0))
    assert (found.invocations, found.invocation_s, found.refilled) == (10, 3_000, 0)


def test_ten_equal_jobs_share_an_invocation() -> None:
    found = simulated(Worker(10, refills=False), arrivals(100, 0), durations(100, 300, 0))
    assert (found.invocations, found.invocation_s) == (10, 3_000)
    assert found.jobs_at_once == pytest.approx(10)


def test_an_invocation_with_a_full_batch_fills_all_its_slots_at_once() -> None:
    found = simulated(Worker(20), arrivals(100, 0), durations(100, 300, 0))
    assert (found.invocations, found.invocation_s, found.refilled) == (5, 1_500, 50)
    assert found.jobs_at_once == pytest.approx(20)
    # Nine messages are no full batch: the invocation asks after five seconds.
    found = simulated(Worker(20, maximum_concurrency=1), [*[0.0] * 9, 1.0], [300.0] * 10)
    assert (found.invocations, found.refilled, found.invocation_s) == (1, 1, 305)


@pytest.mark.parametrize(
    ("most", "begun"),
    [(None, [0] * 5 + [1] * 5 + [2] * 2), (7, [0] * 5 + [1] * 2 + [300] * 5)],
    ids=["no limit", "maximum_concurrency"],
)
def test_lambda_begins_with_five_invocations_and_adds_five_a_second(most: int | None, begun: list[float]) -> None:
    found: list[float] = []

    class Lane(packing._Lane):  # noqa: SLF001 - when invocations begin is no result
        def _invoke(self, now: float) -> None:
            found.append(now)
            super()._invoke(now)

    Lane(Worker(1, refills=False, maximum_concurrency=most)).run([0.0] * 12, [300.0] * 12)
    assert found == begun


def test_an_invocation_lasts_as_long_as_its_longest_job() -> None:
    assert simulated(Worker(3, refills=False), [0, 0, 0], [100, 200, 600]).invocation_s == 600


def test_a_free_slot_takes_the_next_job_if_enough_time_is_left() -> None:
    # One invocation at a time. The first job ends after 100 s, and the third takes its slot until 300 s.
    found = simulated(Worker(2, maximum_concurrency=1), [0, 0, 0], [100, 400, 200])
    assert (found.invocations, found.refilled, found.invocation_s) == (1, 1, 400)
    # 685 s are left after 200 s. A job of 350 s needs 700 s, so the third job waits for an invocation of its own.
    found = simulated(Worker(2, expected_s=350, maximum_concurrency=1), [0, 0, 0], [200, 400, 200])
    assert (found.invocations, found.refilled, found.invocation_s) == (2, 0, 600)


def test_an_invocation_that_saw_a_long_job_takes_no_further_one_late() -> None:
    # 485 s are left after 400 s: enough for a job of 200 s, but not for a quarter more than the 400 s that were seen.
    found = simulated(Worker(2, expected_s=200, maximum_concurrency=1), [0, 0, 0], [400, 500, 100])
    assert found.refilled == 0


def test_a_job_that_does_not_fit_continues_in_another_invocation() -> None:
    found = simulated(Worker(1), [0], [1_000])
    assert (found.jobs, found.invocations, found.continued) == (1, 2, 1)
    assert found.invocation_s == 1_000


def test_the_simulated_rules_are_those_of_the_worker() -> None:
    names = ("_INTERVAL", "_WAIT_PART", "_MOST_EMPTY", "_EXPECTED_MARGIN", "_SEEN_MARGIN")
    interval, *others = (getattr(slots, name) for name in names)
    assert interval.total_seconds() == packing.FIRST_ASKED_S == packing.INTERVAL_S
    assert slots._FULL_BATCH == packing.BATCH  # noqa: SLF001 - no setting
    simulated_by = [packing.WAIT_PART, packing.MOST_EMPTY, packing.EXPECTED_MARGIN, packing.SEEN_MARGIN]
    assert others == simulated_by


def test_the_simulated_durations_have_the_mean_and_the_variation_that_they_should() -> None:
    found = durations(20_000, 300, 0.5)
    mean = sum(found) / len(found)
    deviation = math.sqrt(sum((each - mean) ** 2 for each in found) / len(found))
    assert mean == pytest.approx(300, rel=0.02)
    assert deviation / mean == pytest.approx(0.5, rel=0.05)
    assert found == durations(20_000, 300, 0.5), "every run has the same"


def test_no_simulated_job_is_lost() -> None:
    for per_s in (0, 0.01, 1):
        found = simulated(Worker(10), arrivals(500, per_s), durations(500, 300, 0.5))
        assert found.jobs == 500
        assert found.job_s == pytest.approx(sum(durations(500, 300, 0.5)))


def test_a_partition_takes_its_rate_and_what_it_has_saved() -> None:
    # 2,000 a second for 600 s are 1,200,000. It has saved 300,000, and takes 1,000 a second after the first.
    flow = flowed([2_000], 600)
    assert flow.taken == pytest.approx(899_000 / 1_200_000)
    assert flow.full_after_s == 299
    assert flowed([1_000], 600).full_after_s is None


def test_shares_add_up_to_the_load() -> None:
    assert sum(equal_shares(10_000, 7)) == pytest.approx(10_000)
    skewed = skewed_shares(10_000, 100)
    assert sum(skewed) == pytest.approx(10_000)
    assert skewed[0] == pytest.approx(2 * skewed[1])


def test_a_wall_is_the_limit_over_what_a_job_takes() -> None:
    found = {wall.name: wall.jobs_per_s for wall in walls.walls({"table": 25, "by-status": 2, "due": 4, "all": 34})}
    assert found["a tenant's partition of the table"] == 40
    assert found["`by-status`, a tenant"] == 500
    assert found["the table's quota, a stack"] == pytest.approx(40_000 / 34)
    assert list(found.values()) == sorted(found.values()), "the lowest comes first"


def test_a_backlog_takes_as_many_sweeps_as_its_rows_need() -> None:
    # 45 s for 1 ms a row are 45,000 rows a minute, and no living row is in the way.
    assert backlog_minutes(0.0, 0.001, running=0, backlog=90_000) == 2
    assert backlog_minutes(0.0, 0.001, running=0, backlog=90_001) == 3
    assert backlog_minutes(1.0, 1.0, running=10**9, backlog=10) == math.inf


def test_the_sweeper_is_measured_with_the_settings_of_the_module() -> None:
    module = (REPOSITORY / "modules" / "analysis-jobs" / "sweeper.tf").read_text(encoding="utf-8")
    settings = dict(re.findall(r"^  (timeout_s|memory_mb) += (\d+)$", module, re.MULTILINE))
    assert settings == {"timeout_s": str(TIMEOUT_S), "memory_mb": str(MEMORY_MB)}


def test_more_memory_costs_only_the_time_that_a_sweep_waits() -> None:
    waiting = usd_a_month(0, 512) - 43_200 * PRICES["lambda_request"].usd
    assert waiting == pytest.approx(43_200 * 0.016 * 0.5 * 0.0000133334)  # four queries of 4 ms
    assert usd_a_month(1_000, 1_024) - usd_a_month(1_000, 512) == pytest.approx(waiting)  # the CPU time costs the same
