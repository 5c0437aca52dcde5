"""The whole local cloud as one object: started in order, watched, stopped in order, kept on disk."""

import dataclasses
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from botocore.exceptions import BotoCoreError, ClientError

from cloud import ministack, state
from cloud.certificates import Certificates, certificates
from cloud.client import Client
from cloud.connection import FILE, TENANT, Connection
from cloud.errors import CloudError
from cloud.ministack import MiniStack
from cloud.prompts import put_prompts
from cloud.screen import Screen
from cloud.stack import Stack
from cloud.stand_in import StandIn
from package import sources
from packager import HOST, Manifest, PackageError, build

REPOSITORY = Path(__file__).resolve().parents[3]
ROOT = REPOSITORY / "envs" / "local"
KEPT_IN_THE_WAY = "If what was kept of an earlier start is in the way, forget it:"
DEFAULT_EXAMPLE = "rfp-analysis"


def default_folder(example: str) -> Path:
    """Return where `make local` and `make demo` keep an example's cloud."""
    return REPOSITORY / ".local" / "cloud" / example


class LocalCloud:
    """The stack of one example on this machine: `with LocalCloud(folder) as cloud`.

    What is in the folder is used again where that is possible (`state.load` says when it is not),
    so that a second start takes seconds. Leaving the block stops every process and keeps the
    folder.

    Raises CloudError when it cannot start.
    """

    def __init__(self, folder: Path, example: str = DEFAULT_EXAMPLE, *, screen: Screen | None = None) -> None:
        self.folder = folder.resolve()
        self.example = example
        self.screen = screen or Screen.silent()
        self.stack: Stack
        self.connection: Connection
        self.stand_in: StandIn
        self.ministack: MiniStack
        self._open = ExitStack()
        self._servers = ExitStack()

    def __enter__(self) -> Self:
        """Start it all."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it all."""
        self.stop()

    @property
    def api_url(self) -> str:
        """The API's base URL."""
        return self.connection.api_url

    @property
    def outputs(self) -> dict[str, Any]:
        """The outputs of envs/local."""
        return self.connection.outputs

    def token(self, tenant: str = TENANT, **options: Any) -> str:  # noqa: ANN401 - what `Issuer.mint` takes
        """Return a token that the API takes as this tenant's."""
        return self.connection.token(tenant, **options)

    def client(self, tenant: str = TENANT) -> Client:
        """Return a client of the API that calls as this tenant."""
        return self.connection.client(self.token(tenant))

    def boto3(self, service: str) -> Any:  # noqa: ANN401 - a client of whatever service
        """Return a client of an AWS service of this cloud, as the account's root."""
        return self.connection.boto3(service)

    def check(self) -> None:
        """Raise CloudError when one of its processes has died."""
        if not self.ministack.running:
            raise CloudError(f"MiniStack has died.\n{self.ministack.last_words()}")

    def start(self) -> None:
        """Start it all; returns when it can take a job."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop all that runs; returns when no process and no port is left."""
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
        self._serve(python, kept, trusted)
        if lost := self._lost(kept):
            self.screen.say(f"        Terraform puts back what MiniStack has not kept: {lost}")
            kept = dataclasses.replace(kept, applied="")
        kept = self._apply(kept, self._package())
        kept.save(self.folder)
        self.connection = dataclasses.replace(
            self.connection, api_url=self._api_url(kept.outputs["api_url"]), outputs=kept.outputs
        )
        self._put_prompts()
        self.connection.save(self.folder)

    def _serve(self, python: Path, kept: state.Kept, trusted: Certificates) -> None:
        """Start the two servers."""
        with self.screen.step("cloud") as step:
            self.ministack = MiniStack(python, self.folder, trusted, kept.cloud_port)
            self.stand_in = StandIn(
                kept.stand_in_port,
                endpoint=self.ministack.url,
                ca_bundle=trusted.bundle,
                key_file=self.folder / "stand-in" / "key.pem",
            )
            self._servers.enter_context(self.stand_in)
            self._servers.callback(self.ministack.stop)
            self.ministack.start()
            step.say(f"MiniStack {kept.ministack} at {self.ministack.url}")
        self.connection = Connection(
            example=self.example,
            api_url="",
            aws_url=self.ministack.url,
            stand_in_url=self.stand_in.url,
            ca_bundle=str(trusted.bundle),
            outputs=kept.outputs,
        )

    def _lost(self, kept: state.Kept) -> str:
        """Return how the kept stack shows that a part of it is gone, empty when all looks well."""
        outputs = kept.outputs
        if not kept.applied:
            return ""
        try:
            for url in outputs["queue_urls"].values():
                self.connection.boto3("sqs").get_queue_attributes(QueueUrl=url)
            for name in outputs["function_names"].values():
                self.connection.boto3("lambda").get_function(FunctionName=name, Qualifier="live")
            for name in ("table_name", "prompt_table_name"):
                self.connection.boto3("dynamodb").describe_table(TableName=outputs[name])
            self.connection.boto3("s3").head_bucket(Bucket=outputs["bucket_name"])
        except (BotoCoreError, ClientError) as error:
            return str(error)
        return ""

    def _package(self) -> Manifest:
        """Build the package that this machine can run."""
        with self.screen.step("package") as step:
            try:
                [package] = build(sources(self.example), [HOST], out=self.folder / "package")
            except PackageError as error:
                raise CloudError(str(error)) from error
            size_mb = package.files.zip_bytes / 1e6
            step.say(f"{package.version}, {size_mb:.1f} MB for {package.architecture}")
            return package

    def _apply(self, kept: state.Kept, package: Manifest) -> state.Kept:
        variables = {
            "package": {
                "path": str(REPOSITORY / package.path),
                "sha256_base64": package.sha256_base64,
                "version": package.version,
                "architecture": package.architecture,
            },
            "region": ministack.REGION,
            "stand_in_url": self.stand_in.url,
        }
        self.stack = Stack(ROOT, self.folder, self.connection.environment(), variables)
        folders = [REPOSITORY / "modules", ROOT, REPOSITORY / "examples" / self.example]
        # The package counts by its content, not by where it lies.
        wanted = state.fingerprint(folders, {**variables, "package": package.sha256_base64})
        with self.screen.step("terraform") as step:
            if kept.applied == wanted:
                step.say("nothing to do: the stack is as it was applied last")
                return kept
            dataclasses.replace(kept, applied="").save(self.folder)
            try:
                progress = self.stack.apply(lambda progress: step.say(str(progress)))
            except CloudError as error:
                hint = f"\n\n{KEPT_IN_THE_WAY} rm -r {self.folder}" if kept.outputs else ""
                raise CloudError(f"{error}{hint}") from error
            step.say(f"{progress.done} resources applied")
            return dataclasses.replace(kept, applied=wanted, outputs=self.stack.outputs())

    def _put_prompts(self) -> None:
        with self.screen.step("prompts") as step:
            folder = REPOSITORY / "examples" / self.example / "prompts"
            table = self.connection.outputs["prompt_table_name"]
            count = put_prompts(folder, self.connection.boto3("dynamodb"), table)
            step.say(f"{count} in {table}")

    def _api_url(self, url: str) -> str:
        """Return the API's URL by its path form.

        The host form is AWS's own, {id}.execute-api.localhost here, but outside of browsers and
        curl many resolvers know no host below localhost.
        """
        return f"{self.ministack.url}/_aws/execute-api/{urlsplit(url).netloc.partition('.')[0]}/$default"
