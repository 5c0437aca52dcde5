"""What an attempt has finished, kept so that the next one need not do it again.

A checkpoint is valid for one name, one input, and, unless it survives deploys, one version of the code. Its value is an
artifact under the fencing token of whoever made it, and no artifact is written twice; that it counts is said by the
row, in a fenced write. So what a stale worker leaves in the bucket is never read.

Every write of a row, and so every beat, pays for the row's size. That is why names are few, and why the items of a
series share one entry: it says which worker finished which numbers, as in `3:0-41,44 4:42`.
"""

import hashlib
import inspect
import json
from collections.abc import Callable, Mapping
from itertools import groupby
from threading import Lock
from types import FunctionType
from typing import Any, Final, get_type_hints

from pydantic import PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import to_json

from analysis_jobs.base.errors import Fail
from analysis_jobs.jobs.payloads import MAX_PAYLOAD_BYTES, job_folder
from analysis_jobs.jobs.ports import ArtifactStore, NotFound
from analysis_jobs.jobs.record import JobRecord

MAX_NAMES = 100


class _Missing:
    """The type of `MISSING`."""


MISSING: Final = _Missing()


class Checkpoints:
    """The checkpoints of one attempt. `write` puts changes on the row under the fencing token, or raises `Stopped`."""

    def __init__(
        self,
        claimed: JobRecord,
        artifacts: ArtifactStore,
        given: Any,
        write: Callable[[Mapping[str, Any]], object],
    ) -> None:
        self._claimed = claimed
        self._artifacts = artifacts
        self._given = json.dumps(given, sort_keys=True)
        self._write = write
        self._kept = dict(claimed.checkpoints)
        self._given_back: set[str] = set()
        self._saved = 0
        self._saving = Lock()  # a stage may work on its items in threads
        self.gained = 0
        """How many checkpoints bring the job further than it was when it was claimed."""

    def load(self, name: str, *, survives_deploys: bool = False) -> Any:
        """Return a checkpoint's value, `MISSING` where there is none for this input and code."""
        reference = self._kept.get(name, "")
        if f"-{self._digest(name, survives_deploys=survives_deploys)}-" not in reference:
            return MISSING
        value = self._read(reference)
        if value is not MISSING:
            self._given_back.add(name)
        return value

    def save(self, name: str, value: Any, *, survives_deploys: bool = False, **changes: Any) -> None:
        """Keep a value (JSON), and write `changes` to the row with it. Two requests.

        A stage's own checkpoint takes the place of those that were made within it.

        Raises `Fail` for what is no JSON or too large, and for too many names; `Stopped` where the lease is lost.
        """
        body = _body(name, value)
        content = hashlib.sha256(body).hexdigest()[:16]
        digest = self._digest(name, survives_deploys=survives_deploys)
        with self._saving:
            self._saved += 1
            reference = f"{self._claimed.fence}.{self._saved}-{digest}-{content}"
            within = "/" in name
            kept = {known: where for known, where in self._kept.items() if within or not known.startswith(f"{name}/")}
            if name not in kept and len(kept) >= MAX_NAMES:
                raise Fail("checkpoints_too_many", f"{name}: a job keeps {MAX_NAMES} checkpoints; see `job.each`")
            self._artifacts.write(self._key(reference), body, "application/json")
            self._keep({**kept, name: reference}, changes)
            self.gained += self._is_further(name, digest, content)

    def load_item(self, series: str, number: int, item: Any, *, survives_deploys: bool = False) -> Any:
        """Return what was kept of an item of a series, `MISSING` where it is not this item that was done.

        Raises `Fail` for an item that is no JSON.
        """
        begun = self._digest(series, survives_deploys=survives_deploys)
        digest = _item_digest(begun, number, item)  # in any case: better now than when the item is done and paid for
        fence = _fences(self._kept.get(series, ""), begun).get(number)
        return MISSING if fence is None else self._read(f"{fence}-{digest}")

    def save_item(self, series: str, number: int, item: Any, value: Any, *, survives_deploys: bool = False) -> None:
        """Keep what became of an item of a series (both JSON), as `save` does."""
        begun = self._digest(series, survives_deploys=survives_deploys)
        fence = self._claimed.fence
        key = self._key(f"{fence}-{_item_digest(begun, number, item)}")
        self._artifacts.write(key, _body(f"{series} of item {number}", value), "application/json")
        with self._saving:
            done = {**_fences(self._kept.get(series, ""), begun), number: fence}
            self._keep({**self._kept, series: _series(begun, done)}, {})
            self.gained += number not in _fences(self._claimed.checkpoints.get(series, ""), begun)

    def _keep(self, kept: dict[str, str], changes: Mapping[str, Any]) -> None:
        self._write({"checkpoints": kept, **changes})
        self._kept = kept

    def _is_further(self, name: str, digest: str, content: str) -> bool:
        """Tell whether a checkpoint is progress: one of an earlier attempt, made once more, is none.

        Nor is another value where nobody asked for the one before. Else a job that never gets further would go on in
        one invocation after the other, each of them paid for, until its deadline.
        """
        before = self._claimed.checkpoints.get(name, "")
        if f"-{digest}-" not in before:
            return True
        return name in self._given_back and not before.endswith(f"-{content}")

    def _read(self, reference: str) -> Any:
        try:
            return json.loads(self._artifacts.read(self._key(reference), MAX_PAYLOAD_BYTES))
        except NotFound:
            return MISSING  # the bucket's lifecycle was faster: it is made again

    def _key(self, reference: str) -> str:
        return f"{job_folder(self._claimed)}/checkpoints/{reference}.json"

    def _digest(self, name: str, *, survives_deploys: bool) -> str:
        version = "" if survives_deploys else self._claimed.code_version
        return _hash(f"{name}\n{version}\n{self._given}")


def restored(function: Callable[..., Any], output: Any) -> Any:
    """Return an output, once JSON, as the type that its function says it returns; `MISSING` where it does not fit."""
    try:
        # By their names, whatever aliases a model has for reading and for writing.
        saved = to_json(output, round_trip=True, by_alias=False)
        return TypeAdapter(_returned_by(function)).validate_json(saved, by_alias=False, by_name=True)
    except (ValidationError, PydanticUserError):  # newer code returns something else, or what pydantic does not know
        return MISSING


def _returned_by(function: Callable[..., Any]) -> Any:
    if isinstance(function, type):
        return function
    plain = inspect.unwrap(getattr(function, "__func__", function))  # of a method, the function
    if not isinstance(plain, FunctionType) or "return" not in plain.__annotations__:
        return Any

    def only() -> None:
        """Have this one annotation: the others may name what is imported for type checkers alone."""

    only.__annotations__ = {"return": plain.__annotations__["return"]}
    try:
        return get_type_hints(only, plain.__globals__)["return"]
    except NameError:  # a type that only exists within some function
        return Any


def _body(name: str, value: Any) -> bytes:
    try:
        # Models and dates too, so that they can be read back; but no NaN, which is no JSON.
        body = to_json(value, round_trip=True, by_alias=False, inf_nan_mode="constants")
        json.loads(body, parse_constant=_refuse)
    except ValueError as error:
        raise Fail("checkpoint_invalid", f"checkpoint {name} is no JSON: {error}") from error
    if len(body) > MAX_PAYLOAD_BYTES:
        raise Fail("checkpoint_too_large", f"checkpoint {name}: {len(body)} bytes; at most {MAX_PAYLOAD_BYTES}")
    return body


def _refuse(constant: str) -> None:
    raise ValueError(f"it contains {constant}")


def _item_digest(begun: str, number: int, item: Any) -> str:
    return _hash(f"{begun}\n{number}\n{_body(f'item {number}', item).decode()}")


def _fences(series: str, begun: str) -> dict[int, int]:
    """Return which worker's fence an item was done under, by its number; nothing where the series is another one."""
    digest, *parts = series.split(" ")
    done: dict[int, int] = {}
    for part in parts if digest == begun else ():
        fence, _, runs = part.partition(":")
        for run in runs.split(","):
            first, _, last = run.partition("-")
            done |= dict.fromkeys(range(int(first), int(last or first) + 1), int(fence))
    return done


def _series(begun: str, done: Mapping[int, int]) -> str:
    parts = []
    for fence in sorted(set(done.values())):
        numbers = sorted(number for number, by in done.items() if by == fence)
        runs = []
        # What follows one another without a gap differs from its place by the same.
        for _, run in groupby(enumerate(numbers), lambda placed: placed[1] - placed[0]):
            found = [number for _, number in run]
            runs.append(f"{found[0]}" if len(found) == 1 else f"{found[0]}-{found[-1]}")
        parts.append(f"{fence}:{','.join(runs)}")
    return " ".join((begun, *parts))


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()[:32]
