"""Runs a local cloud around a project: `analysis-jobs local`. docs/write/local.md describes it."""

import os
import shutil
import signal
import time
from dataclasses import dataclass
from pathlib import Path

from analysis_jobs_dev import places, project
from analysis_jobs_dev.cloud import demo_file, guide, plain_demo, state
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.demo import Demo, show_times
from analysis_jobs_dev.cloud.deployments import ProjectDeployment
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import LocalCloud
from analysis_jobs_dev.cloud.reload import Reloader, files_of
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.cloud.stack import COMMAND
from analysis_jobs_dev.cloud.stand_in.upstream import Upstream
from analysis_jobs_dev.project import Project

FOLDER = Path(".local")
CLOUD = "cloud"
DEMO = "demo"
CHECK_EVERY_S = 0.5
DOWN_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Local:
    """The local cloud of a project. `folder` keeps its state, `kept` what a demo saves."""

    project: Project
    folder: Path
    kept: Path
    screen: Screen

    @classmethod
    def of(cls, folder: Path, screen: Screen, cloud: Path | None = None) -> "Local":
        """Return the local cloud of the project in `folder`. `cloud` is where its state is kept.

        By default that is `.local/cloud` in the project. Raises ProjectError if the folder is not a project.
        """
        found = project.load(folder)
        checkout = places.repository()
        if checkout and found.folder.is_relative_to(checkout):  # one of the examples
            return cls(found, cloud or places.state() / CLOUD / found.name, places.state() / DEMO / found.name, screen)
        here = found.folder / FOLDER
        return cls(found, (cloud or here / CLOUD).resolve(), here / DEMO, screen)

    def up(self, model: Upstream | None = None) -> int:
        """Run the cloud until Ctrl-C, or until one of its processes dies. Changed files are brought in."""
        ready, seen = False, files_of(self.project)
        try:
            with self._cloud(model) as cloud:
                reloader = Reloader(self.project, cloud, self.screen, seen)
                self._show_guide(cloud.connection, model)
                ready = True
                self.screen.say("ready")
                while True:
                    time.sleep(CHECK_EVERY_S)
                    cloud.check()
                    reloader.check()
        except KeyboardInterrupt:
            self.screen.say(
                "Stopped; the stack is kept for the next start." if ready else "Stopped before it was ready."
            )
            return 0 if ready else 130

    def demo(self, document: Path | None, model: Upstream | None = None) -> int:
        """Run one job in the running cloud, or in one for this run alone. Return 0 if the job completes."""
        found = None if document is None else self._document(document)
        described = self._described_demo(found)
        first = described.documents[0] if described else found or self._first_document()
        self.screen.heading(f"{self.project.name}: {described.file.shows if described else f'A job with {first.name}'}")
        started = time.monotonic()
        running = Connection.find(self.folder)
        if running:
            self.screen.say(f"        Using the running local cloud: {running.aws_url}")
            completed = (described or self._plain_demo(running, first)).show(running, self.screen)
        else:
            with self._cloud(model) as cloud:
                demo = described or self._plain_demo(cloud.connection, first)
                completed = demo.show(cloud.connection, self.screen)
        show_times(self.screen, time.monotonic() - started)
        return 0 if completed else 1

    def token(self, tenant: str) -> int:
        """Print a token of a tenant."""
        self.screen.say(self._running().token(tenant))
        return 0

    def logs(self, *, follow: bool) -> int:
        """Print the logs of the functions, oldest first."""
        guide.show_logs(self._running(), self.screen, follow=follow)
        return 0

    def stop(self) -> int:
        """Stop the cloud that another process runs, and wait for its end."""
        stop_cloud(self.folder, self.screen)
        return 0

    def clean(self) -> int:
        """Stop the cloud, and delete its state."""
        stop_cloud(self.folder, self.screen)
        shutil.rmtree(self.folder, ignore_errors=True)
        return 0

    def _cloud(self, model: Upstream | None) -> LocalCloud:
        self.folder.mkdir(parents=True, exist_ok=True)
        ignored = self.project.folder / FOLDER / ".gitignore"
        if ignored.parent.is_dir() and not ignored.exists():
            ignored.write_text("*\n", "utf-8")  # as other tools do for their caches
        return LocalCloud(self.folder, deployment=ProjectDeployment(self.project), model=model, screen=self.screen)

    def _described_demo(self, document: Path | None) -> Demo | None:
        """Return the demo of the project's demo.toml, None without the file."""
        if (self.project.folder / demo_file.FILE).exists():
            return Demo.of(self.project.folder, document, self.kept)
        return None

    def _plain_demo(self, connection: Connection, document: Path) -> Demo:
        return Demo(plain_demo.of(connection, document), [document], self.kept)

    def _document(self, document: Path) -> Path:
        """Return an existing document: from here, from the project, or from its folder of documents."""
        folders = [Path(), self.project.folder, *([self.project.documents] if self.project.documents else [])]
        for folder in folders:
            if (folder / document).is_file():
                return (folder / document).resolve()
        raise CloudError(f"There is no document {document}, neither here nor in {self.project.folder}.")

    def _first_document(self) -> Path:
        documents = sorted(self.project.documents.iterdir()) if self.project.documents else []
        first = next((path for path in documents if path.is_file()), None)
        if first is None:
            raise CloudError(f"{self.project.folder} has no documents/: name a document, or write a demo.toml.")
        return first

    def _running(self) -> Connection:
        found = Connection.find(self.folder)
        if found is None:
            raise CloudError("No local cloud runs (or it is not ready yet): start it with `analysis-jobs local`.")
        return found

    def _show_guide(self, connection: Connection, model: Upstream | None) -> None:
        guide.show(
            connection,
            self._demo_to_show(connection) if connection.api_url else None,
            self.screen,
            commands=[
                ("analysis-jobs local --demo DOCUMENT", "one job, in this cloud"),
                ("analysis-jobs local --token globex", "a token of another tenant"),
                ("analysis-jobs local --logs", "the logs of the functions"),
                (f"{self.folder / COMMAND} plan", "Terraform on this cloud"),
            ],
            models=f"{model.model} at {model.url}" if model else guide.STAND_IN.format(url=connection.stand_in_url),
        )

    def _demo_to_show(self, connection: Connection) -> Demo | None:
        """Return the demo of which the guide shows the lines for curl; None if the project has no document for one."""
        if described := self._described_demo(None):
            return described
        try:
            return self._plain_demo(connection, self._first_document())
        except CloudError:
            return None


def stop_cloud(folder: Path, screen: Screen) -> None:
    """Stop the cloud that runs on a folder, and wait for its end. Raises CloudError if it does not stop."""
    process = state.holder(folder)
    if process is None:
        screen.say("No local cloud runs.")
        return
    os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + DOWN_TIMEOUT_S
    while state.holder(folder) is not None:
        if time.monotonic() > deadline:
            raise CloudError(f"Process {process} did not stop within {DOWN_TIMEOUT_S:.0f} s.")
        time.sleep(CHECK_EVERY_S)
