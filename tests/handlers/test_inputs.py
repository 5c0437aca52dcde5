"""Inputs from the caller's body to the stage, where names or forms differ. `test_round_trip.py` walks at random."""

import json
from datetime import timedelta
from typing import Annotated, Any
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, Json, PlainSerializer
from pydantic.alias_generators import to_camel

from analysis_jobs import Analysis, Document
from analysis_jobs.authoring.analysis import Analyses
from analysis_jobs.authoring.context import Services
from analysis_jobs.base.ids import new_id
from analysis_jobs.jobs.admission import Admission, Rate
from analysis_jobs.jobs.record import JobRecord, Payload
from analysis_jobs.jobs.request_errors import InvalidRequestError
from analysis_jobs.jobs.tiers import Tiers
from analysis_jobs.prompts import MemoryPromptStore
from analysis_jobs.stores.memory import MemoryArtifactStore, MemoryJobStore, MemoryQueue
from analysis_jobs.submission.service import Submission, SubmissionService
from analysis_jobs.worker.message import Message
from analysis_jobs.worker.worker import Worker
from tests.handlers.builders import QUEUE_ARN, START, ScriptedModel, SteppedClock, Value, a_job, some_settings


class Order(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)

    order_id: str
    plan_name: str = "free"
    note_text: str | None = None
    run_id: UUID = Field(default_factory=uuid4)


class Open(Order):
    model_config = ConfigDict(extra="allow")


class Desk:
    """Submits jobs of one analysis and works on them. `seen` are the requests that its stage got."""

    def __init__(self, request: type[BaseModel] = Order, **options: Any) -> None:
        self.seen: list[Any] = []

        def look(job: Any) -> Value:
            self.seen.append(job.request)
            return Value(text="done")

        self.analyses = Analyses([Analysis("orders", request=request, result=Value, stages=[look], **options)])
        self.store, self.queue, self.artifacts = MemoryJobStore(), MemoryQueue(), MemoryArtifactStore()
        self.clock = SteppedClock()

    def submit(self, given: dict[str, Any], key: str | None = None) -> JobRecord:
        service = SubmissionService(self.store, self.queue, self.artifacts, self.analyses, some_settings(), self.clock)
        return service.submit("acme", Submission(analysis="orders", input=given), key)

    def work(self, job: JobRecord) -> JobRecord:
        services = Services(self.artifacts, MemoryPromptStore(), ScriptedModel(), some_settings())
        worker = Worker(self.store, self.queue, self.analyses, services, self.clock)
        worker.handle(Message(job.key, QUEUE_ARN, "receipt"), None)
        return self.store.jobs[job.key]


def test_a_stage_gets_what_was_accepted_under_aliases() -> None:
    desk = Desk()
    job = desk.submit({"orderId": "42", "noteText": "keep me"})
    assert desk.work(job).failure is None
    [order] = desk.seen
    assert (order.order_id, order.note_text) == ("42", "keep me")
    stored = json.loads(job.input.text or "")
    assert stored == {"orderId": "42", "planName": "free", "noteText": "keep me", "runId": str(order.run_id)}


def test_an_input_that_an_earlier_version_stored_under_field_names_is_read() -> None:
    desk = Desk()
    job = a_job(analysis="orders", input=Payload(text='{"order_id":"42","note_text":"keep me"}'))
    desk.store.create(job, None)
    assert desk.work(job).failure is None
    assert (desk.seen[0].order_id, desk.seen[0].note_text) == ("42", "keep me")


def test_a_default_that_differs_each_time_does_not_make_a_repeated_request_a_different_one() -> None:
    desk = Desk()
    first, again = (desk.submit({"orderId": "42"}, key="k") for _ in range(2))
    assert first.job_id == again.job_id
    assert first.input == again.input


def test_fields_name_subject_and_rate_and_errors_name_them_as_callers_do() -> None:
    admission = Admission(at_most=Rate(5, timedelta(hours=1), of="plans/{plan_name}"))
    desk = Desk(subject="orders/{order_id}", admission=admission)
    assert desk.submit({"orderId": "42"}).subject == "orders/42"
    with pytest.raises(InvalidRequestError) as refused:
        desk.submit({"orderId": "4/2"})
    assert [each.field for each in refused.value.errors] == ["input.orderId"]
    with pytest.raises(InvalidRequestError) as refused:
        desk.submit({"orderId": "43", "planName": ""})
    assert [each.field for each in refused.value.errors] == ["input.planName"]


def test_a_field_that_json_excludes_can_name_the_subject() -> None:
    class Hidden(BaseModel):
        order_id: str = Field(exclude=True)

    desk = Desk(Hidden, subject="orders/{order_id}")
    job = desk.submit({"order_id": "42"})
    assert job.subject == "orders/42"
    desk.work(job)
    assert desk.seen == [Hidden(order_id="42")]


def test_an_unknown_tier_is_named_as_callers_give_it() -> None:
    desk = Desk(tiers=Tiers(("pro", "free"), of="plan_name"))
    assert desk.submit({"orderId": "42"}).tier == "free"
    with pytest.raises(InvalidRequestError, match=r"input\.planName: this is not a tier"):
        desk.submit({"orderId": "42", "planName": "gold"})


class Bundle(BaseModel):
    letters: Json[list[Document]]
    plans: Annotated[list[Document], BeforeValidator(lambda text: text.split(","))]


def test_the_documents_within_a_parsed_text_are_pinned_too() -> None:
    letter, plan, other = (f"{new_id(START)}/{name}.txt" for name in ("letter", "plan", "other"))
    desk = Desk(Bundle)
    job = desk.submit({"letters": json.dumps([letter]), "plans": f"{plan},{other}"})
    assert job.documents is not None
    assert json.loads(job.documents.text or "").keys() == {letter, plan, other}


class Drawn(BaseModel):
    number: Annotated[int, BeforeValidator(lambda _: uuid4().int), PlainSerializer(str)] = Field(alias="theNumber")


def test_an_input_that_no_json_gives_again_is_refused_before_a_job_exists() -> None:
    desk = Desk(Drawn)
    with pytest.raises(InvalidRequestError, match=r"input\.number: this value cannot be kept for the job") as refused:
        desk.submit({"theNumber": 7})
    assert "7" not in str(refused.value)
    assert not desk.store.jobs
    assert not desk.queue.sent


@pytest.mark.parametrize(
    "given", [{"orderId": "\ud800"}, {"orderId": object()}, {"orderId": "1", "more": float("nan")}]
)
def test_an_input_that_is_not_json_is_refused_as_such(given: dict[str, Any]) -> None:
    desk = Desk(Open)
    with pytest.raises(InvalidRequestError, match="input"):
        desk.submit(given)
    assert not desk.store.jobs


def test_an_input_that_newer_code_refuses_fails_the_job_without_showing_the_value() -> None:
    desk = Desk()
    job = a_job(analysis="orders", input=Payload(text='{"orderId":{"secret":"hunter2"}}'))
    desk.store.create(job, None)
    failure = desk.work(job).failure
    assert failure is not None
    assert failure.code == "input_invalid"
    assert failure.message.endswith("orderId: Input should be a valid string")
