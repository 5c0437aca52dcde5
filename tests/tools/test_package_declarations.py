"""The manifest says what the code declares. It is read from the finished zip."""

from collections.abc import Callable

import pytest

from analysis_jobs_dev import package
from analysis_jobs_dev.packager import HOST, Manifest, PackageError, Sources, build
from analysis_jobs_dev.packager.declarations import secrets

Build = Callable[[], Manifest]


def test_the_declarations_of_a_real_package_are_those_of_its_analysis(tmp_path_factory: pytest.TempPathFactory) -> None:
    out = tmp_path_factory.mktemp("dist")
    [manifest] = build(package.sources(package.example("credential-extraction")), [HOST], out=out)
    [analysis] = manifest.declarations.analyses
    assert (analysis["name"], analysis["module"]) == ("credential-extraction", "credential_extraction")
    assert analysis["routes"] == ["POST /documents/{id}/extract", "GET /documents/{id}/extraction"]
    assert manifest.declarations.secrets == ["DATABASE_SECRET"]
    assert manifest.declarations.ocr_languages == ["eng"]
    assert manifest.extras == ["ocr", "postgres"]


def test_analyses_that_do_not_load_are_refused(project: Sources, build_project: Build) -> None:
    """What is wrong only appears when the declarations are read, for example two analyses of one name."""
    path = project.library.code / "analysis_jobs" / "authoring" / "declarations.py"
    path.write_text(
        "def declared(modules):\n    print('noise')\n    raise ValueError('two analyses')\n", encoding="utf-8"
    )
    with pytest.raises(PackageError, match=r"^The analyses of poems do not load: ValueError: two analyses$"):
        build_project()


def test_a_module_may_print_while_it_is_imported(project: Sources, build_project: Build) -> None:
    (project.project.folder / "poem.py").write_text("print('noise')\n", encoding="utf-8")
    assert [each["name"] for each in build_project().declarations.analyses] == ["poem"]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("def f(job):\n  job.secret('KEY')\n  job.secret_json('LOGIN')\n", ["KEY", "LOGIN"]),
        ("def f(job):\n  with job.database('DATABASE_SECRET').once(job, effect='x'): pass\n", ["DATABASE_SECRET"]),
        ("def f(job, name):\n  job.secret(name)\n  vault.secret('OTHER')\n  job.file('x')\n", []),
    ],
)
def test_the_secrets_are_those_that_the_code_reads_from_the_job(
    source: str, found: list[str], project: Sources
) -> None:
    path = project.project.folder / "poem.py"
    path.write_text(source, encoding="utf-8")
    assert secrets({"poem.py": path, "poem.txt": path}) == found


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        ("documents/poem.pdf", ""),
        ("documents/peom.pdf", "Did you mean documents/poem.pdf?"),
        ("nowhere/x.bin", "the project has no such file."),
    ],
)
def test_a_canary_without_its_document_does_not_build(
    path: str, problem: str, project: Sources, build_project: Build
) -> None:
    canary = {"name": "canary", "documents": {"document": path}}
    analysis = {"name": "poem", "module": "poem", "routes": [], "canaries": [canary]}
    declarations = project.library.code / "analysis_jobs" / "authoring" / "declarations.py"
    declarations.write_text(f"def declared(modules):\n    return {[analysis]!r}\n", encoding="utf-8")
    if not problem:
        assert build_project().declarations.analyses == [analysis]
        return
    with pytest.raises(PackageError, match=f"^The canary canary of poem needs {path}, ") as refused:
        build_project()
    assert problem in str(refused.value)
