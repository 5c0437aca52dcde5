"""`python -m analysis_jobs_dev.cloud`: the command line of the local cloud. `make local` and `make demo` call it."""

import argparse
import shlex
import shutil
import sys
import time
from pathlib import Path

from analysis_jobs.client import ClientError
from analysis_jobs_dev import places
from analysis_jobs_dev.cloud import guide
from analysis_jobs_dev.cloud.connection import Connection
from analysis_jobs_dev.cloud.demo import Demo, show_times
from analysis_jobs_dev.cloud.errors import CloudError
from analysis_jobs_dev.cloud.local_cloud import (
    DEFAULT_EXAMPLE,
    EXAMPLES,
    LocalCloud,
    default_folder,
    known_examples,
    require_example,
)
from analysis_jobs_dev.cloud.screen import Screen
from analysis_jobs_dev.cloud.signals import stop_on_signals
from analysis_jobs_dev.local import stop_cloud

WATCH_EVERY_S = 0.5


def up(options: argparse.Namespace, screen: Screen) -> int:
    """Run the cloud until Ctrl-C, or until one of its processes dies."""
    ready = False
    demo = _demo(options)
    try:
        with LocalCloud(options.folder, (options.example,), screen=screen) as cloud:
            same = _same_cloud(options)
            commands = [
                (f"{guide.COMMAND} token --tenant globex{same}", "a token of another tenant"),
                (f"{guide.COMMAND} logs --follow{same}", "the logs of the functions"),
            ]
            guide.show(cloud.connection, demo, screen, commands=commands)
            ready = True
            screen.say("ready")
            while True:
                time.sleep(WATCH_EVERY_S)
                cloud.check()
    except KeyboardInterrupt:
        screen.say("Stopped; the stack is kept for the next start." if ready else "Stopped before it was ready.")
        return 0 if ready else 130


def run_demo(options: argparse.Namespace, screen: Screen) -> int:
    """Run an example's documents through the running cloud, or through one for this run alone."""
    demo = _demo(options)
    screen.heading(f"{options.example}: {demo.file.shows}")
    started = time.monotonic()
    running = Connection.find(options.folder)
    if running:
        screen.say(f"        Using the running local cloud: {running.aws_url}")
        completed = demo.show(running, screen)
    else:
        with LocalCloud(options.folder, (options.example,), screen=screen) as cloud:
            completed = demo.show(cloud.connection, screen)
    show_times(screen, time.monotonic() - started)
    guide.next_steps(options.example, demo, screen)
    return 0 if completed else 1


def token(options: argparse.Namespace, screen: Screen) -> int:
    """Print a token of the tenant."""
    screen.say(_running(options.folder).token(options.tenant))
    return 0


def down(options: argparse.Namespace, screen: Screen) -> int:
    """Stop the cloud that runs on the folder, and wait for its end."""
    stop_cloud(options.folder, screen)
    return 0


def clean(options: argparse.Namespace, screen: Screen) -> int:
    """Stop the cloud, and delete its folder."""
    down(options, screen)
    shutil.rmtree(options.folder, ignore_errors=True)
    return 0


def logs(options: argparse.Namespace, screen: Screen) -> int:
    """Print the logs of the functions, oldest first."""
    guide.show_logs(_running(options.folder), screen, follow=options.follow)
    return 0


def _same_cloud(options: argparse.Namespace) -> str:
    """Return the options that another command needs for the same cloud."""
    example = "" if options.example == DEFAULT_EXAMPLE else f" --example {shlex.quote(options.example)}"
    usual = options.folder == default_folder(options.example)
    return example + ("" if usual else f" --folder {shlex.quote(str(options.folder))}")


def _running(folder: Path) -> Connection:
    found = Connection.find(folder)
    if found is None:
        raise CloudError("No local cloud runs (or it is not ready yet): start it with `make local`.")
    return found


def _demo(options: argparse.Namespace) -> Demo:
    return Demo.of(EXAMPLES / options.example, options.document, places.state() / "demo" / options.example)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m analysis_jobs_dev.cloud", description=__doc__)
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--example", default=DEFAULT_EXAMPLE, help=f"one of {', '.join(known_examples())}")
    common.add_argument("--folder", type=Path, help="where its state is kept (default: .local/cloud/<example>)")
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, function in (
        ("up", up),
        ("demo", run_demo),
        ("token", token),
        ("logs", logs),
        ("down", down),
        ("clean", clean),
    ):
        command = commands.add_parser(name, parents=[common], help=function.__doc__)
        command.set_defaults(run=function, document=None)
        if name == "demo":
            command.add_argument("--document", type=Path, help="a document of yours instead of the example's first one")
        if name == "logs":
            command.add_argument("--follow", action="store_true", help="keep printing new lines until Ctrl-C")
        if name == "token":
            command.add_argument("--tenant", default="acme", help="the tenant of the token (default: acme)")
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        require_example(options.example)
    except CloudError as error:
        print(error, file=sys.stderr)
        return 2
    options.folder = (options.folder or default_folder(options.example)).resolve()
    stop_on_signals()
    try:
        status: int = options.run(options, Screen())
    except (ClientError, CloudError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


if __name__ == "__main__":
    sys.exit(main())
