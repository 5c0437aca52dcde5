"""Records the rights that a deployment needs: `python tools/record_rights.py` writes tests/modules/deploy-rights.json.

It bootstraps an account on the local cloud and takes the deploy role, as a job on GitHub would. With this role alone it
plans, applies, changes and destroys a stack with all options of the module. It also does with boto3 what a deployment
does with versions and aliases. The plan role plans. The local cloud asks for the rights that AWS asks for, so a missing
right ends the run.
"""

import argparse
import contextlib
import dataclasses
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3

from analysis_jobs.base.clock import SystemClock
from analysis_jobs.prompts import Prompt
from analysis_jobs.prompts.library import PromptLibrary
from analysis_jobs_dev.cloud import ministack, ports
from analysis_jobs_dev.cloud.certificates import Certificates, certificates
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.emulator.enforcement import recorded
from analysis_jobs_dev.cloud.emulator.requests import Right
from analysis_jobs_dev.cloud.emulator_environment import interpreter
from analysis_jobs_dev.cloud.github import web_identity
from analysis_jobs_dev.release.errors import ReleaseRunningError
from analysis_jobs_dev.release.record import Begun, Record
from analysis_jobs_dev.terraform_command import command_environment

REPOSITORY = Path(__file__).resolve().parent.parent
FOLDER = REPOSITORY / "tools" / "deploy_rights"
TARGET = REPOSITORY / "tests" / "modules" / "deploy-rights.json"
REGION = ministack.REGION
STACK = "letters-recorded"
SUBJECT = "repo:acme/letters:environment:recorded"
ROLES = ("deploy", "plan")


class RecordingError(Exception):
    """A command failed. The message is its output."""


@dataclass(frozen=True)
class Recorder:
    """An emulated account, and a folder for Terraform roots."""

    folder: Path
    url: str
    trusted: Certificates
    rights: Path

    @property
    def root(self) -> dict[str, str]:
        """The environment of the account's root."""
        return {
            **ministack.ROOT_CREDENTIALS,
            "AWS_CA_BUNDLE": str(self.trusted.bundle),
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": REGION,
            "NO_PROXY": "127.0.0.1",
        }

    @property
    def connection(self) -> Connection:
        """The account, for clients with the rights of its root."""
        return Connection("", "", self.url, self.url, str(self.trusted.bundle), {})

    def role(self, arn: str) -> dict[str, str]:
        """Take a role with a token of GitHub, and return the environment with its credentials."""
        return {**self.root, **web_identity(self.connection, arn, SUBJECT)}

    def terraform(self, name: str, environment: Mapping[str, str], *arguments: str) -> str:
        """Run a command of Terraform in the folder of a root, and return its output. Raises RecordingError."""
        done = subprocess.run(
            ["terraform", *arguments],
            cwd=self.folder / name,
            env=command_environment(environment, without=("AWS_", "TF_")),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RecordingError(f"terraform {' '.join(arguments)} in {name}:\n{done.stdout[-2000:]}\n{done.stderr}")
        return done.stdout

    def outputs(self, name: str) -> dict[str, Any]:
        """Return the outputs of a root."""
        found = json.loads(self.terraform(name, self.root, "output", "-json"))
        return {key: each["value"] for key, each in found.items()}

    def client(self, service: str, environment: Mapping[str, str]) -> Any:  # noqa: ANN401 - a client of any service
        """Return a client with the credentials of an environment."""
        return boto3.client(  # type: ignore[call-overload]
            service,
            region_name=REGION,
            endpoint_url=self.url,
            verify=str(self.trusted.bundle),
            aws_access_key_id=environment["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=environment["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=environment.get("AWS_SESSION_TOKEN"),
        )


@contextmanager
def recorder(folder: Path) -> Iterator[Recorder]:
    """Start an emulated account with nothing in it."""
    trusted = certificates(folder / "certificates")
    (folder / "cloud").mkdir()
    rights = folder / "rights.jsonl"
    for path in sorted(FOLDER.iterdir()):
        (folder / "roots" / path.stem).mkdir(parents=True)
        (folder / "roots" / path.stem / "main.tf").symlink_to(path)
        (folder / "roots" / path.stem / "modules").symlink_to(REPOSITORY / "modules")
    [port] = ports.free_ports(1)
    cloud = ministack.MiniStack(interpreter(), folder / "cloud", trusted, port, region=REGION, rights=rights)
    cloud.start()
    try:
        yield Recorder(folder / "roots", cloud.url, trusted, rights)
    finally:
        cloud.stop()


def record(account: Recorder) -> dict[str, list[Right]]:
    """Deploy and destroy the stack, and return the rights that each role needed."""
    _say("bootstrap")
    account.terraform("account", account.root, "init", "-input=false")
    account.terraform("account", account.root, "apply", "-auto-approve", "-input=false", "-parallelism=60")
    made = account.outputs("account")
    with zipfile.ZipFile(account.folder / "stack" / "package.zip", "w") as archive:
        for function in ("api", "events", "sweeper", "worker"):
            archive.writestr(f"{function}.py", "def handler(event, context):\n    return {}\n")
    deploy = account.role(made["bootstrap"]["deploy_role_arn"])
    place = _upload(account, deploy, made["given"]["package"])
    account.client("s3", account.role(made["bootstrap"]["plan_role_arn"])).head_object(**place)
    variables = [f"-var=given={json.dumps(made['given'])}"]
    s3 = account.connection.boto3("s3")
    backend = [f"-backend-config={key}={made['bootstrap']['state'][key]}" for key in ("bucket", "key")]
    account.terraform("stack", deploy, "init", "-input=false", *backend)
    apply = ("apply", "-auto-approve", "-input=false", "-parallelism=60", *variables)
    with ThreadPoolExecutor() as beside:
        with_keys = beside.submit(_with_keys, account, deploy, made["given"])
        for variant in ("plain", "full", "changed"):
            _say(f"apply: {variant}")
            account.terraform("stack", deploy, *apply, f"-var=variant={variant}")
            plan = account.role(made["bootstrap"]["plan_role_arn"])
            account.terraform(
                "stack", plan, "plan", "-input=false", "-lock=false", *variables, f"-var=variant={variant}"
            )
        _say("versions")
        _versions(account, deploy)
        with_keys.result()
    # A destroy empties the bucket.
    [bucket] = [each["Name"] for each in s3.list_buckets()["Buckets"] if each["Name"].startswith(f"{STACK}-artifacts")]
    s3.put_object(Bucket=bucket, Key="jobs/1", Body=b"a file of a job")
    s3.delete_object(Bucket=bucket, Key="jobs/1")
    s3.put_object(Bucket=bucket, Key="jobs/2", Body=b"a file of a job")
    _say("destroy")
    account.terraform("stack", deploy, "destroy", "-auto-approve", "-input=false", *variables, "-var=variant=changed")
    return {role: recorded(account.rights, f"{made['given']['name']}-{role}/") for role in ROLES}


def _with_keys(account: Recorder, deploy: Mapping[str, str], given: Mapping[str, Any]) -> None:
    """Deploy and destroy another stack, which is encrypted with a key of its own. Its state is a file."""
    folder = account.folder / "keys"
    shutil.copytree(account.folder / "stack", folder, symlinks=True, ignore=shutil.ignore_patterns(".terraform*"))
    (folder / "state_override.tf").write_text('terraform {\n  backend "local" {}\n}\n', encoding="utf-8")
    variables = [f"-var=given={json.dumps({**given, 'name': f'{given["name"]}-keys'})}", "-var=variant=keys"]
    account.terraform("keys", deploy, "init", "-input=false")
    for command in ("apply", "destroy"):
        account.terraform("keys", deploy, command, "-auto-approve", "-input=false", "-parallelism=60", *variables)


def _upload(account: Recorder, deploy: Mapping[str, str], given: dict[str, Any]) -> dict[str, str]:
    """Upload the package as a deployment does, and return where it is. `given` gets its version."""
    s3, place = account.client("s3", deploy), {"Bucket": given["bucket"], "Key": given["key"]}
    content = (account.folder / "stack" / "package.zip").read_bytes()
    s3.put_object(**place, Body=content)
    given["object_version"] = s3.head_object(**place)["VersionId"]
    return place


def _versions(account: Recorder, deploy: Mapping[str, str]) -> None:
    """Do with boto3 what a deployment, its canary jobs and a rollback do."""
    functions, alarms = account.client("lambda", deploy), account.client("cloudwatch", deploy)
    name = f"{STACK}-sweeper"
    versions = [each["Version"] for each in functions.list_versions_by_function(FunctionName=name)["Versions"]]
    functions.get_function_configuration(FunctionName=name, Qualifier=versions[-1])
    functions.get_alias(FunctionName=name, Name="live")
    functions.create_alias(FunctionName=name, Name="previous", FunctionVersion=versions[-1])
    functions.update_alias(FunctionName=name, Name="previous", FunctionVersion=versions[-1])
    functions.list_aliases(FunctionName=name)
    functions.invoke(FunctionName=name, Qualifier="live")
    functions.delete_alias(FunctionName=name, Name="previous")
    alarms.describe_alarms(AlarmNames=[f"{STACK}-worker-errors"])
    account.client("logs", deploy).filter_log_events(logGroupName=f"/aws/lambda/{name}")
    tables = account.client("dynamodb", deploy)
    with Record(tables, f"{STACK}-jobs", "a recording", SystemClock()) as record:
        record.begin(Begun({"worker": versions[-1]}))
        with contextlib.suppress(ReleaseRunningError), Record(tables, f"{STACK}-jobs", "another one", SystemClock()):
            pass
        record.clear()
    library = PromptLibrary(tables, f"{STACK}-prompts")
    for path in sorted((REPOSITORY / "examples" / "rfp-analysis" / "prompts").glob("*.toml")):
        prompt, _ = library.put(Prompt.load(path))
        library.activate(prompt.name, prompt.version)
        changed, _ = library.put(dataclasses.replace(prompt, version=0, system_prompt=f"{prompt.system_prompt}\n"))
        library.activate(prompt.name, changed.version)
        library.restore(prompt.name, dict.fromkeys(prompt.categories, 0), is_undo=True)


def normalised(rights: Sequence[Right]) -> list[dict[str, Any]]:
    """Return the rights as JSON, by action and context, with fixed values in place of generated IDs."""
    text = json.dumps([{"action": each.action, "resource": each.resource, "context": each.context} for each in rights])
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "ID", text)
    text = re.sub(r"/apis/(?!\*)[^/\"]+", "/apis/ID", text)
    text = re.sub(r"(/apis/ID/(?:authorizers|integrations|routes|stages)/)[^/\"]+", r"\1ID", text)
    text = re.sub(r"(apimappings/)[^/\"]+", r"\1ID", text)
    text = re.sub(r"(::change/)[^/\"]+", r"\1ID", text)
    text = re.sub(r"(hostedzone/)[^/\"]+", r"\1ZONE", text)
    text = text.replace("000000000000", "111122223333")
    found: dict[tuple[str, str], set[str]] = {}
    for each in json.loads(text):
        found.setdefault((each["action"], json.dumps(each["context"], sort_keys=True)), set()).add(each["resource"])
    return [
        {"action": action, "context": json.loads(context), "resources": sorted(resources)}
        for (action, context), resources in sorted(found.items())
    ]


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Record, write the file, and return the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--write", type=Path, default=TARGET, metavar="FILE", help="where to write the rights")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, recorder(Path(folder)) as account:
        try:
            rights = record(account)
        except RecordingError as error:
            _say(str(error))
            return 1
    found = {role: normalised(each) for role, each in rights.items()}
    given.write.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    _say(f"{', '.join(f'{role}: {len(each)} rights' for role, each in found.items())} in {given.write}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
