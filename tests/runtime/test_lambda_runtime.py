"""How AWS's runtime client behaves: what the functions and the readers of their errors can rely on."""

from pathlib import Path

import pytest

from analysis_jobs_dev.cloud.emulator.payloads import MAX_ANSWER_BYTES, MAX_REQUEST_BYTES
from tests.runtime.conftest import StartSource

ECHO = "def handler(event, context):\n    return {'event': event, 'request': context.aws_request_id}\n"


def test_a_function_gets_its_event_and_the_caller_its_value(start_source: StartSource) -> None:
    answer = start_source(ECHO).invoke({"a": [1, "ä"]})
    assert answer.error is None
    assert answer.value["event"] == {"a": [1, "ä"]}
    assert len(answer.value["request"]) == 36


def test_a_second_event_finds_the_process_warm(start_source: StartSource) -> None:
    runtime = start_source("seen = []\ndef handler(event, context):\n    seen.append(event)\n    return seen\n")
    runtime.invoke(1)
    assert runtime.invoke(2).value == [1, 2]
    assert runtime.starts == 1


def test_a_function_knows_how_much_time_it_has_left(start_source: StartSource) -> None:
    source = "def handler(event, context):\n    return context.get_remaining_time_in_millis()\n"
    assert 1_000 < start_source(source, timeout_s=5).invoke(None).value <= 5_000


def test_an_error_of_the_handler_has_a_type_a_message_and_a_trace(start_source: StartSource) -> None:
    runtime = start_source("def handler(event, context):\n    raise ValueError('not today')\n")
    error = runtime.invoke({}).error
    assert error is not None
    assert (error["errorType"], error["errorMessage"]) == ("ValueError", "not today")
    assert error["stackTrace"][-1].endswith("line 2, in handler\n    raise ValueError('not today')\n")
    assert runtime.invoke({}).error is not None
    assert runtime.starts == 1, "an error leaves the process as it is"


def test_an_error_at_import_is_an_error_of_the_init_and_the_next_event_starts_anew(
    start_source: StartSource,
) -> None:
    runtime = start_source("import nowhere\n")
    for start in (1, 2):
        error = runtime.invoke({}).error
        assert error is not None
        assert error["errorType"] == "Runtime.ImportModuleError"
        assert error["errorMessage"] == "Unable to import module 'main': No module named 'nowhere'"
        assert error["stackTrace"] == []
        assert runtime.starts == start


def test_an_exception_at_import_keeps_its_trace(start_source: StartSource) -> None:
    error = start_source("settings = {}['NAME']\n").invoke({}).error
    assert error is not None
    assert error["errorType"] == "KeyError"
    assert "main.py" in "".join(error["stackTrace"])


def test_nothing_of_the_tests_own_environment_is_visible_to_a_function(start_source: StartSource) -> None:
    error = start_source("import pytest\n").invoke({}).error
    assert error is not None
    assert error["errorMessage"].endswith("No module named 'pytest'")


def test_a_function_that_takes_too_long_is_killed_without_cleanup(start_source: StartSource, tmp_path: Path) -> None:
    source = """
import os, time
def handler(event, context):
    if event is None:
        return os.getpid()
    try:
        time.sleep(30)
    finally:
        open(event, "w").close()
"""
    runtime = start_source(source, timeout_s=1)
    pid = runtime.invoke(None).value
    error = runtime.invoke(str(tmp_path / "cleaned-up")).error
    assert error is not None
    assert error["errorType"] == "Sandbox.Timedout"
    assert error["errorMessage"].endswith("Error: Task timed out after 1.00 seconds")
    assert runtime.invoke(None).value != pid
    assert runtime.starts == 2
    assert not (tmp_path / "cleaned-up").exists()


def test_a_function_that_takes_too_much_memory_is_killed_without_cleanup(start_source: StartSource) -> None:
    source = """
def handler(event, context):
    held = []
    while event == "all":
        held.append(b"x" * 2**22)
    return "still here"
"""
    runtime = start_source(source, memory_mb=128)
    error = runtime.invoke("all").error
    assert error is not None
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Error: Runtime exited with error: signal: killed")
    assert runtime.invoke("a little").value == "still here"
    assert runtime.starts == 2


def test_a_function_that_ends_its_process_is_an_exit_error(start_source: StartSource) -> None:
    runtime = start_source("import os\ndef handler(event, context):\n    os._exit(3)\n")
    error = runtime.invoke({}).error
    assert error is not None
    assert error["errorType"] == "Runtime.ExitError"
    assert error["errorMessage"].endswith("Runtime exited with error: exit status 3")


def test_an_answer_over_6_mb_is_an_error_and_ends_the_process(start_source: StartSource) -> None:
    runtime = start_source("def handler(event, context):\n    return '\"' * event\n")
    # Each quote is two bytes in JSON, and the text is within quotes of its own.
    largest = (MAX_ANSWER_BYTES - 2) // 2
    assert len(runtime.invoke(largest).value) == largest
    error = runtime.invoke(largest + 1).error
    assert error is not None
    assert error["errorType"] == "Function.ResponseSizeTooLarge"
    assert "6291556 bytes" in error["errorMessage"]
    assert runtime.invoke(1).value == '"'
    assert runtime.starts == 2


def test_an_event_over_6_mb_does_not_reach_the_function(start_source: StartSource) -> None:
    runtime = start_source(ECHO)
    with pytest.raises(ValueError, match="RequestTooLargeException"):
        runtime.invoke("x" * MAX_REQUEST_BYTES)
    assert runtime.starts == 0


def test_what_a_function_prints_is_its_log(start_source: StartSource) -> None:
    runtime = start_source("def handler(event, context):\n    print('hello', event)\n")
    runtime.invoke("world")
    assert "hello world" in runtime.log


def test_an_answer_that_is_no_json_is_an_error(start_source: StartSource) -> None:
    error = start_source("def handler(event, context):\n    return object()\n").invoke({}).error
    assert error is not None
    assert error["errorType"] == "Runtime.MarshalError"
