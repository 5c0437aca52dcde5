"""The command `move-in` runs a move file: dry first, then for real, and again until nothing is left."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from tests.cli.api_server import ApiServer
from tests.docs.pages import blocks

pytestmark = pytest.mark.usefixtures("api")

type Run = Callable[..., tuple[int, str, str]]

[MOVE_FILE] = [block for block in blocks("docs/import/moving-in.md", "python") if "def move_in(" in block]


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    with mock_aws():
        table = boto3.resource("dynamodb", region_name="eu-west-1").create_table(
            TableName="orders",
            KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        for number in range(3):
            table.put_item(Item={"id": f"o-{number}", "status": "new", "at": 1, "text": "hello"})
        table.put_item(Item={"id": "done", "status": "finished", "at": 1})
        yield table


@pytest.fixture
def move_file(tmp_path: Path) -> Path:
    path = tmp_path / "move.py"
    path.write_text(MOVE_FILE, encoding="utf-8")
    return path


def states(orders: Any) -> dict[str, str]:
    return {row["id"]: row["status"] for row in orders.scan()["Items"]}


def test_a_move_is_planned_made_and_not_repeated(
    api: ApiServer, run: Run, orders: Any, move_file: Path, tmp_path: Path
) -> None:
    before = states(orders)
    status, out, _ = run("move-in", move_file)
    assert (status, "would be moved" in out, "Nothing was changed" in out) == (0, True, True)
    assert (states(orders), api.jobs) == (before, {})

    receipt = tmp_path / "receipt.json"
    status, out, _ = run("move-in", move_file, "--apply", "--receipt", receipt, "--json")
    answer = json.loads(out)
    assert (status, answer["complete"], answer["applied"]) == (0, True, True)
    assert answer == json.loads(receipt.read_text("utf-8"))
    assert answer["file_sha256"] == hashlib.sha256(move_file.read_bytes()).hexdigest()
    assert sorted(answer["moved"]) == ["o-0", "o-1", "o-2"]
    assert set(answer["moved"].values()) == set(api.jobs)
    assert states(orders) == {"done": "finished"} | dict.fromkeys(answer["moved"], "moved")

    status, out, _ = run("move-in", move_file, "--apply", "--json")
    assert (status, json.loads(out)["moved"], len(api.jobs)) == (0, {}, 3)


def test_a_row_that_needs_a_person_is_an_error_also_of_a_dry_run(run: Run, orders: Any, move_file: Path) -> None:
    orders.put_item(Item={"id": "odd", "status": "new", "at": 1})
    status, out, _ = run("move-in", move_file)
    assert (status, "problems: odd" in out) == (1, True)


def test_work_that_is_still_running_is_not_complete(run: Run, orders: Any, move_file: Path) -> None:
    orders.put_item(Item={"id": "busy", "status": "working", "at": 99999999999, "text": "x"})
    status, out, _ = run("move-in", move_file, "--apply")
    assert (status, "waiting: busy" in out, "run this command again" in out) == (1, True, True)


@pytest.mark.parametrize("text", [None, "x = 1"])
def test_a_file_without_the_function_is_refused(run: Run, tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "move.py"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    status, _, err = run("move-in", file)
    assert (status, "Error" in err) == (2, True)
