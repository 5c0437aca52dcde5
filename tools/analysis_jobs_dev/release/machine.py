"""The steps of a release.

    read      the versions in service; undo what an interrupted release had begun
    apply     Terraform: publishes the new versions. `live` keeps pointing at the old ones
    probe     every new version starts, and is the code of the package
    canaries  jobs through API, queue and worker, on the new versions
    move      `live` to the new versions, at once or in steps; the alarms are watched between them
    finish    remember the versions of before for a rollback; delete old ones

If a step fails, `live` and the prompts go back to what they were.
"""

import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs.prompts.library import PromptLibrary
from analysis_jobs_dev.release.alarms import Alarms
from analysis_jobs_dev.release.canaries import Canaries
from analysis_jobs_dev.release.errors import RecordLostError, ReleaseError
from analysis_jobs_dev.release.paths import CanaryPath, IntoTheTable, ThroughTheApi
from analysis_jobs_dev.release.probe import probe
from analysis_jobs_dev.release.prompts import PromptChange, PromptRelease
from analysis_jobs_dev.release.record import Begun, Finished, Record
from analysis_jobs_dev.release.report import Outcome, Report
from analysis_jobs_dev.release.stack import Clients, Stack
from analysis_jobs_dev.release.versions import CANDIDATE, LIVE, ORDER, PREVIOUS, FunctionVersions, Versions

KEPT_VERSIONS = 5


class Terraform(Protocol):
    """The Terraform root of an environment. Its errors are passed on."""

    def deployment(self) -> Mapping[str, Any]:
        """Return the module's output `deployment`; empty before the first apply."""

    def plan(self, live: FunctionVersions | None) -> bool:
        """Plan with the versions that stay in service (None: the new ones). Return whether something changes."""

    def moved_aliases(self) -> Sequence[str]:
        """Return the addresses of the aliases `live` that the plan would move."""

    def apply(self) -> None:
        """Apply the plan."""


@dataclass(frozen=True)
class Step:
    """A step of the move: the share of jobs that run on the new version, in percent, and how long it is watched."""

    percent: int
    wait: timedelta


@dataclass(frozen=True)
class Package:
    """What is released: the package's manifest, the folder of its project, and the folder of its prompts, if any.

    `analyses` are the modules that the stack loads; None means all of the package.
    """

    manifest: Mapping[str, Any]
    project: Path
    prompts: Path | None = None
    analyses: Sequence[str] | None = None


@dataclass
class Release:
    """One release: `Release(…).run()`. `who` names the person or the run that makes it.

    `steps` come before all jobs move; without them all move at once. `keep` is how many versions of a function are
    kept. `trusted` is described in `paths.ThroughTheApi`.
    """

    terraform: Terraform
    package: Package
    clients: Clients
    who: str
    steps: Sequence[Step] = ()
    clock: Clock = field(default_factory=SystemClock)
    say: Callable[[str], None] = print
    keep: int = KEPT_VERSIONS
    trusted: str | bool = True

    def __post_init__(self) -> None:
        self.report = Report(self.clock, self.say, code_version=str(self.package.manifest["version"]))

    def run(self) -> Report:
        """Release the package, and return the report. A `KeyboardInterrupt` goes back first, and is raised again.

        Raises `ReleaseRunningError`, and the errors of Terraform before its apply.
        """
        with self.report.step("read"):
            deployment = self.terraform.deployment()
            stack = Stack.of(deployment) if deployment else None
        if stack is None:
            return self._first()
        with self._record(stack) as record:
            with self.report.step("recover") if record.interrupted else _nothing():
                self._recover(stack, record)
            _Attempt(self, stack, record).run()
        return self.report

    def _first(self) -> Report:
        """Deploy a new stack: everything is in service at once. The canaries run all the same."""
        with self.report.step("apply"):
            self.terraform.plan(None)
            self.terraform.apply()
            stack = Stack.of(self.terraform.deployment())
        with self._record(stack) as record:
            _Attempt(self, stack, record).first()
        return self.report

    def _record(self, stack: Stack) -> Record:
        return Record(self.clients("dynamodb"), stack.table, self.who, self.clock)

    def _recover(self, stack: Stack, record: Record) -> None:
        if begun := record.interrupted:
            for line in undo(stack, begun, self.clients, self.clock):
                self.report.note(line)
            record.clear()


@dataclass
class _Attempt:
    """The part of a release that is undone if it fails."""

    release: Release
    stack: Stack
    record: Record
    changes: list[PromptChange] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)
    released: dict[str, str] | None = None  # the digests of a stack that has no record yet

    def run(self) -> None:
        """Release over a version that is in service."""
        before = self.versions.of(LIVE)
        with self._undone(Begun(before, step="apply")):
            with self.report.step("apply"):
                self._apply(before)
            new = {key: to for key, to in self.versions.of(CANDIDATE).items() if before.get(key) != to}
            with self.report.step("prompts") if self.release.package.prompts else _nothing():
                self._stage_prompts(self.versions.code_of(before))
            if not new and not self.changes:
                self.report.outcome = Outcome.UNCHANGED
                self.record.clear()
                return
            self._try(list(new))
            with self.report.step("move"):
                self._move(before, new)
            with self.report.step("finish"):
                self._finish(before, {**before, **new})

    def first(self) -> None:
        """Try a stack that is new and in service already."""
        self.released = {}
        with self._undone(Begun({}, step="apply")):
            with self.report.step("prompts") if self.release.package.prompts else _nothing():
                self._stage_prompts()
            self._try(list(self.stack.functions))
            with self.report.step("finish"):
                self._prompts.activate(self.changes)
                self._finish({}, self.versions.of(LIVE))

    @property
    def report(self) -> Report:
        return self.release.report

    @property
    def versions(self) -> Versions:
        return Versions(self.release.clients("lambda"), self.stack.functions)

    @property
    def _prompts(self) -> PromptRelease:
        library = PromptLibrary(self.release.clients("dynamodb"), self.stack.prompt_table, self.release.clock)
        return PromptRelease(library, self.release.package.prompts)

    def _apply(self, before: FunctionVersions) -> None:
        if not self.release.terraform.plan(before):
            return
        if moved := self.release.terraform.moved_aliases():
            raise ReleaseError(
                "The plan would put the new version in service before it was tried, so nothing was applied: the "
                "Terraform root does not pass package.live_versions to the module. Give its variable `package` the "
                "attribute live_versions, or pass package = var.package as a whole.",
                moved,
            )
        self.release.terraform.apply()
        self.stack = Stack.of(self.release.terraform.deployment())

    def _stage_prompts(self, old_code: str = "") -> None:
        last = self.record.last
        self.digests = self._prompts.digests()
        self.changes = self._prompts.stage(last.digests if last else self.released, old_code, self.report.code_version)
        for change in self.changes:
            self.report.note(f"{change.name} v{change.version} is stored, and becomes active with the move")
        for warning in self._prompts.warnings(self.changes):
            self.report.note(warning)

    def _try(self, functions: Sequence[str]) -> None:
        with self.report.step("probe"):
            probe(self.versions, functions, self.release.package.manifest, self.release.clock)
        with self.report.step("canaries"):
            self._run_canaries()

    def _run_canaries(self) -> None:
        package = self.release.package
        if (path := self._canary_path()) is None:
            self.report.note("the stack has no lane for canaries, so no canary was run")
            return
        worker = self.stack.functions["worker"]
        canaries = Canaries(path, package.project, self.release.clock, self.release.clients("logs"), worker)
        self.report.canaries = canaries.run(package.manifest, package.analyses)
        if not self.report.canaries:
            self.report.note("the package declares no canary: no job was run on the new version")
        for each in self.report.canaries:
            cost = "" if each.cost_usd is None else f", {each.cost_usd:.4f} USD"
            good = f"{each.analysis} {each.name}: {each.failure or 'as expected'}"
            self.report.note(f"{good} ({each.seconds:.1f} s{cost}, job {each.job_id})")
        if failed := [each for each in self.report.canaries if each.failure]:
            raise ReleaseError(
                "; ".join(f"The canary {each.name} of {each.analysis} failed: {each.failure}" for each in failed),
                [line for each in failed for line in each.details],
            )

    def _canary_path(self) -> CanaryPath | None:
        """Return the way of a canary into the stack; None without a lane for it."""
        release, prompts = self.release, {change.name: change.version for change in self.changes}
        if not self.stack.canary_queue_url:
            return None
        if "api" in self.stack.functions:
            return ThroughTheApi(self.versions, release.clock, prompts, release.trusted)
        environment, queue_url = self.stack.backend_environment, self.stack.canary_queue_url
        return IntoTheTable(environment, queue_url, release.clients, release.clock, prompts)

    def _move(self, before: FunctionVersions, new: FunctionVersions) -> None:
        self.record.begin(Begun(before, [change.as_json() for change in self.changes], step="move"))
        alarms = Alarms(self.release.clients("cloudwatch"), self.stack.alarms, self.release.clock)
        watched = bool(self.release.steps)
        if watched and (ringing := alarms.begin()):
            self.report.note(f"these alarms ring already, and are watched once they are quiet: {', '.join(ringing)}")
        # Before the worker: the new code has its prompts from its first job on, and the old code keeps its own.
        self._prompts.activate(self.changes)
        for step in self.release.steps if "worker" in new else ():
            self.versions.move("worker", new["worker"], percent=step.percent)
            self.report.note(f"{step.percent} % of the jobs run on version {new['worker']}, for {step.wait}")
            alarms.watch(step.wait, self.record.check)
        self.record.check()
        for function in ORDER:
            if function in new:
                self.versions.move(function, new[function])
        self.report.note(f"in service: {', '.join(f'{key} {to}' for key, to in sorted(new.items())) or 'prompts only'}")
        if watched:
            alarms.watch(self.release.steps[-1].wait, self.record.check)

    def _finish(self, before: FunctionVersions, after: FunctionVersions) -> None:
        if before and before != after:
            self.versions.put(PREVIOUS, before)
        self.record.finish(
            Finished(
                at=rfc3339(self.release.clock.now()),
                who=self.release.who,
                code_version=self.report.code_version,
                before=before,
                after=after,
                prompts=[change.as_json() for change in self.changes],
                digests=self.digests,
            )
        )
        self.report.outcome = Outcome.DEPLOYED
        try:
            for function, versions in self.versions.prune(self.release.keep, self.release.clock).items():
                self.report.note(f"deleted old versions of {function}: {', '.join(versions)}")
        except Exception as error:  # noqa: BLE001 - the release is done; the next one deletes them
            self.report.note(f"old versions could not be deleted: {error}")

    @contextmanager
    def _undone(self, begun: Begun) -> Iterator[None]:
        """Undo the release if the block fails. Errors end here; an interruption is raised again."""
        self.record.begin(begun)
        try:
            yield
        except RecordLostError:
            raise
        except BaseException as error:
            if self.report.outcome is Outcome.DEPLOYED:
                raise
            known = isinstance(error, ReleaseError)
            self.report.failure = str(error) if known else f"{type(error).__name__}: {error}"
            self.report.details = error.details if isinstance(error, ReleaseError) else ()
            if isinstance(error, KeyboardInterrupt):
                self.report.failure = "The release was stopped."
            self._go_back(begun)
            if not isinstance(error, Exception):
                raise

    def _go_back(self, begun: Begun) -> None:
        if begun.before:
            self.report.outcome = Outcome.WENT_BACK
            with self.report.step("go back"), _uninterrupted():
                done = Begun(begun.before, [change.as_json() for change in self.changes])
                self.report.undone = undo(self.stack, done, self.release.clients, self.release.clock)
                for line in self.report.undone:
                    self.report.note(line)
        self.record.clear()


def undo(stack: Stack, begun: Begun, clients: Clients, clock: Clock, *, is_undo: bool = True) -> list[str]:
    """Put the earlier versions and prompts in service again. Return a line for each change.

    See `PromptRelease.go_back` for `is_undo`.
    """
    versions = Versions(clients("lambda"), stack.functions)
    lines = [f"{key} runs version {begun.before[key]} again" for key in versions.put(LIVE, begun.before)]
    changes = [PromptChange.of(each) for each in begun.prompts]
    prompts = PromptRelease(PromptLibrary(clients("dynamodb"), stack.prompt_table, clock), None)
    return [*lines, *prompts.go_back(changes, is_undo=is_undo)]


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """Ignore Ctrl-C in the block: going back takes a second, and half of it would be worse than all."""
    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    except ValueError:  # not in the main thread
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _nothing() -> Iterator[None]:
    yield
