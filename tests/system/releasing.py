"""Releases of a running stack: changed packages, and Terraform as a release uses it."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from analysis_jobs_dev.cloud.deployments import PACKAGE_BUCKET, upload
from analysis_jobs_dev.cloud.local_cloud import DEFAULT_EXAMPLE, EXAMPLES, LocalCloud
from analysis_jobs_dev.cloud.patches import code_of, patch
from analysis_jobs_dev.cloud.root import PACKAGE_FILE
from analysis_jobs_dev.cloud.stack import Stack
from analysis_jobs_dev.release.machine import Package, Release, Step
from analysis_jobs_dev.release.versions import CANDIDATE, LIVE, Versions

SOURCE = "rfp_analysis.py"
PROJECT = EXAMPLES / DEFAULT_EXAMPLE


@dataclass
class Releases:
    """Releases on a cloud with the stack of the first example. `folder` is for the changed packages."""

    cloud: LocalCloud
    folder: Path
    lines: list[str] = field(default_factory=list)
    _package: str = ""
    _live: Mapping[str, str] | None = None
    _with_terraform: bool = True

    def changed(self, name: str, *edits: tuple[str, str], **canary: Any) -> Path:
        """Return the manifest of a package with edits of the analysis: pairs of a text and the new one.

        `canary` replaces fields of its canary.
        """
        base = self.folder / "base"
        built = self.cloud.deployment.packages(self.cloud.folder / "package")[DEFAULT_EXAMPLE]
        text = (PROJECT / SOURCE).read_text("utf-8")
        for old, new in edits:
            assert old in text, old
            text = text.replace(old, new)
        source, target = self.folder / name / SOURCE, self.folder / name / f"{DEFAULT_EXAMPLE}.zip"
        source.parent.mkdir(parents=True)
        source.write_text(f"{text}\nRELEASE = {name!r}\n", "utf-8")
        base.mkdir(exist_ok=True)
        patch(built.file(), {SOURCE: source}, target)
        code = code_of(target, f"{built.project.version}.{name}")
        content = dataclasses.asdict(built)
        del content["folder"]
        content |= {"path": target.name, "sha256": code.sha256, "sha256_base64": code.sha256_base64}
        content["version"] = code.version
        content["declarations"]["analyses"][0]["canaries"][0] |= canary
        manifest = target.with_suffix(".json")
        manifest.write_text(json.dumps(content), "utf-8")
        return manifest

    def release(
        self, manifest: Path, prompts: Path | None = None, steps: Sequence[Step] = (), *, terraform: bool = False
    ) -> Release:
        """Return the release of a package.

        Without `terraform` the versions are published with the same requests as by Terraform, which takes much longer.
        """
        self._package, self._with_terraform = str(manifest), terraform
        return Release(
            terraform=self,
            package=Package(json.loads(manifest.read_text("utf-8")), PROJECT, prompts),
            clients=self.cloud.boto3,
            who="tests",
            steps=steps,
            say=self.lines.append,
            trusted=self.cloud.connection.ca_bundle,
        )

    @property
    def versions(self) -> Versions:
        return Versions(self.cloud.boto3("lambda"), self.cloud.outputs["function_names"])

    def live(self) -> dict[str, str]:
        return self.versions.of(LIVE)

    # Terraform

    def deployment(self) -> Mapping[str, Any]:
        return self.cloud.deployment.outputs(self.cloud.stack)[DEFAULT_EXAMPLE]

    def plan(self, live: Mapping[str, str] | None) -> bool:
        self._live = live
        return True  # the apply plans too

    def moved_aliases(self) -> Sequence[str]:
        return ()

    def apply(self) -> None:
        if self._with_terraform:
            self.stack().apply()
            return
        content = json.loads(Path(self._package).read_text("utf-8"))
        code = {"S3Bucket": PACKAGE_BUCKET, "S3Key": f"{content['sha256']}.zip"}
        package = Path(self._package).with_name(content["path"])
        self.cloud.boto3("s3").put_object(Bucket=code["S3Bucket"], Key=code["S3Key"], Body=package.read_bytes())
        client = self.cloud.boto3("lambda")
        for name in self.cloud.outputs["function_names"].values():
            variables = client.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
            variables["CODE_VERSION"] = content["version"]
            client.update_function_configuration(FunctionName=name, Environment={"Variables": variables})
            made = client.update_function_code(FunctionName=name, Publish=True, **code)
            client.update_alias(FunctionName=name, Name=CANDIDATE, FunctionVersion=made["Version"])

    def stack(self) -> Stack:
        """Return the Terraform stack with the package of the last release, and the versions that it kept."""
        content = json.loads(Path(self._package).read_text("utf-8"))
        code = upload(self.cloud.connection, Path(self._package).with_name(content["path"]), content["sha256"])
        stack = self.cloud.stack
        return dataclasses.replace(stack, after_init=partial(self._take, stack, code))

    def _take(self, stack: Stack, code: Mapping[str, str]) -> None:
        """Give the module the package of the last release, after the root has got that of the cloud."""
        stack.after_init()
        file = stack.root / PACKAGE_FILE
        written = json.loads(file.read_text("utf-8"))
        for call in written["module"].values():
            call["package"] = {"manifest": self._package, "s3": code, "live_versions": self._live}
        file.write_text(json.dumps(written), "utf-8")
