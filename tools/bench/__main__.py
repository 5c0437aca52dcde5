"""Measures, compares with docs/benchmarks.json, and names each regression.

    python -m bench                  measures all topics
    python -m bench sweeper cost     measures these topics
    python -m bench --check          fails if a figure is worse than the kept one by more than 10 %
    python -m bench --write          keeps the new figures, and writes docs/benchmarks.md and docs/scale.md
    python -m bench --documents      writes the documents from the kept figures, and measures nothing

Run it on an idle machine. Counted figures are the same on every machine.
"""

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Sequence

from bench.documents import FIGURES, write
from bench.figures import Change, Figure, Run, best_of, compared, dumped, load, merged
from bench.processes import ENVIRONMENT, OF_BENCHMARKS, REPOSITORY
from bench.topics import NAMES, TOPICS, Topic


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, compare, and write if asked. Return the exit code."""
    given = _parser().parse_args(arguments)
    kept = load(FIGURES)
    if given.documents:
        return _written(kept)
    _prepare()
    commit = _commit()
    chosen = [topic for topic in TOPICS if not given.topics or topic.name in given.topics]
    figures = [figure for topic in chosen for figure in _measured(topic, kept, confirm=given.check)]
    for figure in figures:
        print(f"{figure.topic}: {figure.name}: {figure.text}" + (f" ({figure.detail})" if figure.detail else ""))
    changes = compared(kept.figures, figures)
    regressions = [change for change in changes if change.is_regression]
    _say(changes, regressions)
    if given.write:
        commits = {topic.name: commit for topic in chosen}
        _written(merged(kept, Run(commits, platform.python_version(), os.cpu_count() or 1, tuple(figures))))
    return 1 if given.check and regressions else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("topics", nargs="*", choices=[[], *NAMES], metavar="TOPIC", help=f"of {', '.join(NAMES)}")
    parser.add_argument("--check", action="store_true", help="fail if there is a regression over 10 %%")
    parser.add_argument("--write", action="store_true", help="keep the new figures, and write the documents")
    parser.add_argument("--documents", action="store_true", help="write the documents from the kept figures")
    return parser


def _measured(topic: Topic, kept: Run, *, confirm: bool) -> Sequence[Figure]:
    """Measure a topic. A measured regression is measured again, and the better value counts: machines are noisy."""
    print(f"Measuring {topic.name} …", file=sys.stderr)
    figures = topic.measure()
    again = [change for change in compared(kept.figures, figures) if change.is_regression and not change.after.counted]
    if confirm and again:
        print(f"Measuring {topic.name} again …", file=sys.stderr)
        return best_of(figures, topic.measure())
    return figures


def _say(changes: Sequence[Change], regressions: Sequence[Change]) -> None:
    for change in regressions:
        print(f"regression: {change}")
    for change in changes:
        if not change.is_regression and (change.after.counted or -change.share > 0.1):  # noqa: PLR2004 - as the tolerance
            print(f"changed: {change}")
    if not regressions:
        print("No figure is worse than the kept one by more than 10 %.")


def _written(run: Run) -> int:
    FIGURES.write_text(dumped(run, NAMES), encoding="utf-8")
    for path in (FIGURES, *write(run)):
        print(f"{path.relative_to(REPOSITORY)}: written")
    return 0


def _prepare() -> None:
    """Give this process the path and the environment of the benchmarks."""
    sys.path += [str(REPOSITORY / folder) for folder in OF_BENCHMARKS]
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_DEFAULT_REGION", "POWERTOOLS_SERVICE_NAME"):
        os.environ[name] = ENVIRONMENT[name]


def _commit() -> str:
    """Return the commit of the code that is measured. It ends in `-dirty` if the code is another one."""
    commit = _git("log", "-1", "--format=%h", "--abbrev=10")
    changed = _git("status", "--porcelain", "--untracked-files=no", "--", "handlers", "modules", "tools")
    return f"{commit or 'unknown'}{'-dirty' if changed else ''}"


def _git(*arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False
    ).stdout.strip()


if __name__ == "__main__":
    raise SystemExit(main())
