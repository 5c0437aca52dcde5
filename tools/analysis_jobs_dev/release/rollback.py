"""Puts the previous version in service again. It takes seconds: the aliases move, and Terraform does not run."""

from collections.abc import Callable
from dataclasses import dataclass, field

from analysis_jobs.base.clock import Clock, SystemClock, rfc3339
from analysis_jobs_dev.release.errors import ReleaseError
from analysis_jobs_dev.release.machine import undo
from analysis_jobs_dev.release.prompts import PromptChange
from analysis_jobs_dev.release.record import Begun, Finished, Record
from analysis_jobs_dev.release.report import Outcome, Report
from analysis_jobs_dev.release.stack import Clients, Stack
from analysis_jobs_dev.release.versions import LIVE, PREVIOUS, Versions


@dataclass
class Rollback:
    """One rollback: `Rollback(…).run()`. Another one puts the newer version in service again.

    If a release was interrupted, the rollback undoes what it had begun, and nothing else.
    """

    stack: Stack
    clients: Clients
    who: str
    clock: Clock = field(default_factory=SystemClock)
    say: Callable[[str], None] = print

    def run(self) -> Report:
        """Roll back, and return the report. Raises `ReleaseError` if there is nothing to go back to."""
        report = Report(self.clock, self.say)
        with Record(self.clients("dynamodb"), self.stack.table, self.who, self.clock) as record:
            with report.step("roll back"):
                if record.interrupted:
                    report.note("a release was interrupted: undoing what it had begun")
                    lines = undo(self.stack, record.interrupted, self.clients, self.clock)
                    record.clear()
                else:
                    lines = self._to_previous(record)
                for line in lines:
                    report.note(line)
            report.outcome = Outcome.ROLLED_BACK
        return report

    def _to_previous(self, record: Record) -> list[str]:
        versions = Versions(self.clients("lambda"), self.stack.functions)
        live, previous, last = versions.of(LIVE), versions.of(PREVIOUS), record.last
        if not previous or previous == {key: live.get(key) for key in previous}:
            raise ReleaseError("There is no earlier version to go back to: this stack has had one deployment.")
        prompts = last.prompts if last and dict(last.after) == live else []
        record.begin(Begun(live, step="roll back"))
        is_undo = not last or last.action != "rollback"
        lines = undo(self.stack, Begun(previous, prompts), self.clients, self.clock, is_undo=is_undo)
        versions.put(PREVIOUS, live)
        changes = [PromptChange.of(each) for each in prompts]
        names = {each.name for each in changes}
        record.finish(
            Finished(
                at=rfc3339(self.clock.now()),
                who=self.who,
                code_version="",
                before=live,
                after={**live, **previous},
                # The other way round, for a rollback of this rollback.
                prompts=[
                    PromptChange(
                        each.name, each.version, each.after, each.before, old_code=each.new_code, new_code=each.old_code
                    ).as_json()
                    for each in changes
                ],
                # The next deployment activates the prompts again that this one puts back.
                digests={name: digest for name, digest in (last.digests if last else {}).items() if name not in names},
                action="rollback",
            )
        )
        return lines
