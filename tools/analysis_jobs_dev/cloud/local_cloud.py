"""The local cloud as one object: its servers start and stop in order, and its stacks are kept on disk."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs_dev import places
from analysis_jobs_dev.cloud import ministack, state
from analysis_jobs_dev.cloud.certificates import Certificates, certificates
from analysis_jobs_dev.cloud.connection import FILE, Connection
from analysis_jobs_dev.cloud.deployed import Deployed, Reach
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ministack import MiniStack
from analysis_jobs_dev.cloud.packages import packages
from analysis_jobs_dev.cloud.ports import free_ports
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from analysis_jobs_dev.cloud.prompts import put_prompts
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.cloud.stack import Stack
from analysis_jobs_dev.cloud.stand_in import StandIn
from analysis_jobs_dev.packager import Manifest

# Outside of a checkout, the paths of this folder are those of the current one.
REPOSITORY = places.repository() or Path()
ROOT = places.local_root()
FORGET = "If the kept state of an earlier start causes this, delete it:"
EXAMPLES = places.examples() or REPOSITORY / "examples"
DEFAULT_EXAMPLE = "rfp-analysis"


def known_examples() -> list[str]:
    """Return the names of the examples that run here: each folder of examples/ with a demo.toml."""
    return sorted(path.parent.name for path in EXAMPLES.glob("*/demo.toml"))


def require_example(name: str) -> None:
    """Raise CloudError, with the known names, if no such example runs here."""
    if name not in known_examples():
        raise CloudError(f"There is no example {name!r} that runs here. There are: {', '.join(known_examples())}.")


def schema(example: str) -> Path:
    """Return the path of an example's tables; the file exists if the example has a database."""
    return EXAMPLES / example / "schema.sql"


def answers(example: str) -> Path:
    """Return the path of an example's scripted answers; the file exists if the example has any."""
    return EXAMPLES / example / "answers.toml"


def default_folder(example: str) -> Path:
    """Return the folder in which `make local` and `make demo` keep an example's cloud."""
    return places.state() / "cloud" / example


class LocalCloud(Reach):
    """The stacks of one example or several on this machine: `with LocalCloud(folder) as cloud`.

    `cloud.deployed(example)` is the stack of one; `api_url`, `outputs` and `client` of the cloud itself are those of
    the first example. A second start takes seconds: it reuses the folder where that is possible (see `state.load`).
    Leaving the block stops every process and keeps the folder.

    The stand-in for the models reads the `answers.toml` of each example that has one (see `stand_in.script`).

    Raises CloudError when it cannot start.
    """

    def __init__(
        self, folder: Path, examples: Sequence[str] = (DEFAULT_EXAMPLE,), *, screen: Screen | None = None
    ) -> None:
        for example in examples:
            require_example(example)
        self.folder = folder.resolve()
        self.examples = tuple(examples)
        self.screen = screen or Screen.silent()
        self.stack: Stack
        self.stand_in: StandIn
        self.ministack: MiniStack
        self.database: PostgreSQL | None = None
        self._open = ExitStack()
        self._servers = ExitStack()
        self._logins: dict[str, Login] = {}
        self._stacks: dict[str, dict[str, Any]] = {}

    def __enter__(self) -> Self:
        """Start everything."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def deployed(self, example: str) -> Deployed:
        """Return the stack of an example."""
        outputs, login = self._stacks[example], self._logins.get(example)
        connection = dataclasses.replace(
            self.connection,
            example=example,
            api_url=self.connection.reachable(outputs["api_url"]),
            outputs=outputs,
            database=dataclasses.asdict(login) if login else None,
        )
        return Deployed(connection, self.folder)

    def check(self) -> None:
        """Raise CloudError if one of the processes has died."""
        if not self.ministack.running:
            raise CloudError(f"MiniStack has died.\n{self.ministack.last_words()}")
        if self.database and not self.database.running:
            raise CloudError(f"PostgreSQL has died.\n{self.database.last_words()}")

    def start(self) -> None:
        """Start everything; return when it can take a job."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; return when all processes have ended and all ports are free."""
        self._open.close()

    def _start(self) -> None:
        python = ministack.interpreter(REPOSITORY)
        version = ministack.version(python)
        self._open.enter_context(state.locked(self.folder))
        (self.folder / FILE).unlink(missing_ok=True)
        self._open.push(self._servers)
        self._open.callback((self.folder / FILE).unlink, missing_ok=True)
        trusted = certificates(self.folder / "certificates")
        kept, reason = state.load(self.folder, version)
        if kept is None:
            self.screen.say(f"        A fresh start: {reason}.")
            kept = state.afresh(self.folder, version)
        if (with_database := [each for each in self.examples if schema(each).exists()]) and not kept.database_port:
            [port] = free_ports(1)
            kept = dataclasses.replace(kept, database_port=port)
        if with_database:  # before the functions that use it, so that it also stops after them
            self._serve_databases(with_database, kept.database_port, trusted)
        self._serve(python, kept, trusted)
        if lost := self._lost(kept):
            self.screen.say(f"        Terraform restores what MiniStack has lost: {lost}")
            kept = dataclasses.replace(kept, applied="")
        kept = self._apply(kept, self._packages())
        kept.save(self.folder)
        self._stacks = kept.outputs["stacks"]
        self.connection = self.deployed(self.examples[0]).connection
        self._put_prompts()
        self.connection.save(self.folder)

    def _serve(self, python: Path, kept: state.Kept, trusted: Certificates) -> None:
        """Start the stand-in and MiniStack."""
        with self.screen.step("cloud") as step:
            self.ministack = MiniStack(python, self.folder, trusted, kept.cloud_port)
            self.stand_in = StandIn(
                kept.stand_in_port,
                endpoint=self.ministack.url,
                ca_bundle=trusted.bundle,
                key_file=self.folder / "stand-in" / "key.pem",
                answers=[path for path in map(answers, self.examples) if path.exists()],
            )
            self._servers.enter_context(self.stand_in)
            self._servers.callback(self.ministack.stop)
            self.ministack.start()
            step.say(f"MiniStack {kept.ministack} at {self.ministack.url}")
        self.connection = Connection(
            example=self.examples[0],
            api_url="",
            aws_url=self.ministack.url,
            stand_in_url=self.stand_in.url,
            ca_bundle=str(trusted.bundle),
            outputs={},
        )

    def _serve_databases(self, examples: Sequence[str], port: int, trusted: Certificates) -> None:
        """Start PostgreSQL, and create each example's database with its schema."""
        with self.screen.step("database") as step:
            self.database = PostgreSQL(self.folder, trusted, port)
            self._servers.enter_context(self.database)
            for example in examples:
                name = example.replace("-", "_")
                self._logins[example] = self.database.database(name, schema(example).read_text("utf-8"))
            step.say(f"PostgreSQL at 127.0.0.1:{port}, {', '.join(each.database for each in self._logins.values())}")

    def _lost(self, kept: state.Kept) -> str:
        """Return the error that shows a missing part of the kept stacks; empty if they are whole."""
        if not kept.applied:
            return ""
        try:
            for outputs in kept.outputs["stacks"].values():
                self._look_at(outputs)
        except (BotoCoreError, ClientError, KeyError) as error:
            return str(error)
        return ""

    def _look_at(self, outputs: Mapping[str, Any]) -> None:
        """Raise the error of AWS, or a KeyError, for a missing part of a stack."""
        for url in outputs["queue_urls"].values():
            self.boto3("sqs").get_queue_attributes(QueueUrl=url)
        for name in outputs["function_names"].values():
            self.boto3("lambda").get_function(FunctionName=name, Qualifier="live")
        for name in ("table_name", "prompt_table_name"):
            self.boto3("dynamodb").describe_table(TableName=outputs[name])
        self.boto3("s3").head_bucket(Bucket=outputs["bucket_name"])

    def _packages(self) -> dict[str, Manifest]:
        """Build a package for this machine for each example."""
        with self.screen.step("package") as step:
            built = packages(self.examples, self.folder / "package")
            step.say("; ".join(f"{each.version}, {each.size_bytes / 1e6:.1f} MB" for each in built.values()))
            return built

    def _apply(self, kept: state.Kept, built: Mapping[str, Manifest]) -> state.Kept:
        variables: dict[str, Any] = {
            "packages": {
                example: {"manifest": str(self.folder / "package" / package.name)} for example, package in built.items()
            },
            "ca_bundle": self.connection.ca_bundle,
            "databases": {example: login.secret("database") for example, login in self._logins.items()},
            "region": ministack.REGION,
            "stand_in_url": self.stand_in.url,
        }
        self.stack = Stack(ROOT, self.folder, self.connection.environment(), variables)
        folders = [places.modules(), ROOT, *(EXAMPLES / example for example in self.examples)]
        # The content of a package counts, not its path.
        contents = {example: package.sha256_base64 for example, package in built.items()}
        wanted = state.fingerprint(folders, {**variables, "packages": contents})
        with self.screen.step("terraform") as step:
            if kept.applied == wanted:
                step.say("nothing to do: nothing has changed since the last apply")
                return kept
            dataclasses.replace(kept, applied="").save(self.folder)
            try:
                progress = self.stack.apply(lambda progress: step.say(str(progress)))
            except CloudError as error:
                hint = f"\n\n{FORGET} rm -r {self.folder}" if kept.outputs else ""
                raise CloudError(f"{error}{hint}") from error
            step.say(f"{progress.done} resources applied")
            return dataclasses.replace(kept, applied=wanted, outputs=self.stack.outputs())

    def _put_prompts(self) -> None:
        with self.screen.step("prompts") as step:
            put = []
            for example, outputs in self._stacks.items():
                table = outputs["prompt_table_name"]
                count = put_prompts(EXAMPLES / example / "prompts", self.boto3("dynamodb"), table)
                put.append(f"{count} in {table}")
            step.say(", ".join(put))
