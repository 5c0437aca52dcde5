"""The local cloud as one object: its servers start and stop in order, and its stacks are kept on disk."""

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from analysis_jobs_dev import places, project
from analysis_jobs_dev.cloud import ministack, state
from analysis_jobs_dev.cloud.certificates import Certificates, certificates
from analysis_jobs_dev.cloud.connection import FILE, Connection
from analysis_jobs_dev.cloud.deployed import Deployed, Reach
from analysis_jobs_dev.cloud.deployments import Deployment, Examples, Hosted, Place, ProjectDeployment
from analysis_jobs_dev.cloud.emulator.issuers import VARIABLE as ISSUER_VARIABLE
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.ministack import MiniStack
from analysis_jobs_dev.cloud.packages import Built
from analysis_jobs_dev.cloud.ports import LOOPBACK, free_ports
from analysis_jobs_dev.cloud.postgres import Login, PostgreSQL
from analysis_jobs_dev.cloud.prompts import put_prompts
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.cloud.stack import Stack
from analysis_jobs_dev.cloud.stand_in import StandIn
from analysis_jobs_dev.cloud.stand_in.upstream import Upstream

# Outside of a checkout, the paths of this folder are those of the current one.
REPOSITORY = places.repository() or Path()
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


def default_folder(example: str) -> Path:
    """Return the folder in which `make local` and `make demo` keep an example's cloud."""
    return places.state() / "cloud" / example


def _deployment_of(examples: Sequence[str]) -> Deployment:
    """Return what deploys these examples: the project itself, or the common root for several of them."""
    for example in examples:
        require_example(example)
    if len(examples) > 1:
        return Examples(EXAMPLES, examples)
    return ProjectDeployment(project.load(EXAMPLES / examples[0]))


class LocalCloud(Reach):
    """The stacks of examples, or of a project, on this machine: `with LocalCloud(folder) as cloud`.

    `cloud.deployed(name)` is the stack of one; `api_url`, `outputs` and `client` of the cloud itself are those of the
    first. A second start takes seconds: it reuses the folder where that is possible (see `state.load`). Leaving the
    block stops every process and keeps the folder.

    The stand-in for the models reads the `answers.toml` of each example or project that has one (see
    `stand_in.script`). With `model`, it forwards the other questions to that server.

    Raises CloudError when it cannot start.
    """

    def __init__(
        self,
        folder: Path,
        examples: Sequence[str] = (DEFAULT_EXAMPLE,),
        *,
        deployment: Deployment | None = None,
        model: Upstream | None = None,
        screen: Screen | None = None,
    ) -> None:
        self.folder = folder.resolve()
        self.deployment = deployment or _deployment_of(examples)
        self.examples = tuple(each.name for each in self.deployment.hosted)
        self.screen = screen or Screen.silent()
        self.stack: Stack
        self.stand_in: StandIn
        self.ministack: MiniStack
        self.database: PostgreSQL | None = None
        self._model = model
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

    def deployed(self, name: str) -> Deployed:
        """Return the stack of an example or of the project."""
        outputs, login = self._stacks[name], self._logins.get(name)
        connection = dataclasses.replace(
            self.connection,
            example=name,
            analysis=next(each.analysis for each in self.deployment.hosted if each.name == name),
            api_url=self.connection.reachable(outputs["api_url"]) if outputs.get("api_url") else "",
            outputs=outputs,
            database=dataclasses.asdict(login) if login else None,
            token_options=self._token_options(outputs),
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

    def serve(self) -> None:
        """Start the servers alone. The stacks in them stay as they are; the next `start` applies them again."""
        try:
            self._start_servers()
            self.apply_at_next_start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; return when all processes have ended and all ports are free."""
        self._open.close()

    def put_prompts(self) -> str:
        """Activate the prompts of all stacks, and return how many each table has got."""
        put = []
        for hosted in self.deployment.hosted:
            table = self._stacks[hosted.name]["prompt_table_name"]
            put.append(f"{put_prompts(hosted.prompts, self.boto3('dynamodb'), table)} in {table}")
        return ", ".join(put)

    @property
    def place(self) -> Place:
        """Where a stack is deployed to this cloud."""
        return Place(self.folder, self.connection, self._logins)

    def apply_at_next_start(self) -> None:
        """Make the next start apply the stack, because this process has changed the deployed code since."""
        if kept := state.read(self.folder):
            dataclasses.replace(kept, applied="").save(self.folder)

    def _start(self) -> None:
        kept = self._start_servers()
        if lost := self._lost(kept):
            self.screen.say(f"        Terraform restores what MiniStack has lost: {lost}")
            kept = dataclasses.replace(kept, applied="")
        kept = self._apply(kept, self._packages())
        kept.save(self.folder)
        self._stacks = kept.outputs["stacks"]
        self.connection = self.deployed(self.examples[0]).connection
        with self.screen.step("prompts") as step:
            step.say(self.put_prompts())
        self.connection.save(self.folder)

    def _start_servers(self) -> state.Kept:
        """Start the servers on the kept state, or on a fresh one, and return it."""
        python = interpreter(self.screen)
        version, region = ministack.version(python), self.deployment.region
        self._open.enter_context(state.locked(self.folder))
        (self.folder / FILE).unlink(missing_ok=True)
        self._open.push(self._servers)
        self._open.callback((self.folder / FILE).unlink, missing_ok=True)
        trusted = certificates(self.folder / "certificates")
        kept, reason = state.load(self.folder, version, region)
        if kept is None:
            self.screen.say(f"        A fresh start: {reason}.")
            kept = state.afresh(self.folder, version, region)
        if (with_database := [each for each in self.deployment.hosted if each.schema]) and not kept.database_port:
            [port] = free_ports(1)
            kept = dataclasses.replace(kept, database_port=port)
        if with_database:  # before the functions that use it, so that it also stops after them
            self._serve_databases(with_database, kept.database_port, trusted)
        self._serve(python, kept, trusted)
        return kept

    def _serve(self, python: Path, kept: state.Kept, trusted: Certificates) -> None:
        """Start the stand-in and MiniStack."""
        with self.screen.step("cloud") as step:
            stand_in_url = f"http://{LOOPBACK}:{kept.stand_in_port}"
            self.ministack = MiniStack(
                python,
                self.folder,
                trusted,
                kept.cloud_port,
                region=kept.region,
                functions={
                    # A Terraform root does not know that the models and the database are local.
                    "AWS_ENDPOINT_URL_BEDROCK_RUNTIME": stand_in_url,
                    "DATABASE_CA_BUNDLE": str(trusted.bundle),
                    "GEMINI_BASE_URL": stand_in_url,
                    ISSUER_VARIABLE: stand_in_url,
                },
            )
            self.stand_in = StandIn(
                kept.stand_in_port,
                endpoint=self.ministack.url,
                ca_bundle=trusted.bundle,
                key_file=self.folder / "stand-in" / "key.pem",
                answers=[each.answers for each in self.deployment.hosted if each.answers],
                upstream=self._model,
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
            region=kept.region,
        )

    def _serve_databases(self, hosted: Sequence[Hosted], port: int, trusted: Certificates) -> None:
        """Start PostgreSQL, and create each stack's database with its tables."""
        with self.screen.step("database") as step:
            self.database = PostgreSQL(self.folder, trusted, port)
            self._servers.enter_context(self.database)
            for each in hosted:
                tables = each.schema.read_text("utf-8") if each.schema else ""
                self._logins[each.name] = self.database.database(each.name.replace("-", "_"), tables)
            step.say(f"PostgreSQL at 127.0.0.1:{port}, {', '.join(each.database for each in self._logins.values())}")

    def _token_options(self, outputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the API of a stack expects of a token: the arguments of `Issuer.mint`, and `tenant_claim`."""
        if not outputs.get("api_url"):
            return {}
        name = urlsplit(outputs["api_url"]).netloc.partition(".")[0]
        found = self.boto3("apigatewayv2").get_authorizers(ApiId=name).get("Items", [])
        expected = next((each["JwtConfiguration"] for each in found if each.get("JwtConfiguration")), None)
        if expected is None:
            return {}
        function = self.boto3("lambda").get_function_configuration(FunctionName=outputs["function_names"]["api"])
        claim = function.get("Environment", {}).get("Variables", {}).get("TENANT_CLAIM", "tenant")
        options = {"issuer": expected.get("Issuer"), "audience": next(iter(expected.get("Audience", [])), None)}
        return {**{key: value for key, value in options.items() if value}, "tenant_claim": claim}

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

    def _packages(self) -> dict[str, Built]:
        """Build a package for this machine for each stack."""
        with self.screen.step("package") as step:
            built = self.deployment.packages(self.folder / "package")
            step.say("; ".join(f"{each.version}, {each.size_bytes / 1e6:.1f} MB" for each in built.values()))
            return built

    def _apply(self, kept: state.Kept, built: Mapping[str, Built]) -> state.Kept:
        with self.screen.step("terraform") as step:
            self.stack = self.deployment.stack(self.place, built)
            self.stack.write_command()
            wanted = self.deployment.fingerprint(self.stack, built)
            if kept.applied == wanted:
                self.stack.after_init()
                step.say("nothing to do: nothing has changed since the last apply")
                return kept
            dataclasses.replace(kept, applied="").save(self.folder)
            is_again = (self.folder / state.TERRAFORM_STATE).exists()
            try:
                progress = self.stack.apply(lambda progress: step.say(str(progress)))
            except CloudError as error:
                hint = f"\n\n{FORGET} rm -r {self.folder}" if is_again else ""
                raise CloudError(f"{error}{hint}") from error
            step.say(f"{progress.done} resources applied")
            stacks = self.deployment.outputs(self.stack)
            return dataclasses.replace(kept, applied=wanted, outputs={"stacks": stacks})
