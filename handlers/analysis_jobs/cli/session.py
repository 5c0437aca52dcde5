"""What a command works with: the client of the API and the screen. Turns errors into a message and an exit status."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import typer

from analysis_jobs.cli import environment
from analysis_jobs.cli.analyses import UnknownAnalysisError
from analysis_jobs.cli.ledger import LedgerError
from analysis_jobs.cli.options import CaBundle, Json, Url, opening
from analysis_jobs.cli.reach import NotReachableError, require_reachable
from analysis_jobs.cli.screen import INTERRUPTED, Screen
from analysis_jobs.client import Client, ClientError, Forbidden, Unauthorized

# Tries per call while the API answers 429 or 5xx, or does not answer. The pauses take half a minute on average.
_TRIES = 6
# The host was reached before the first request. Later connections to a busy host may take longer.
_CONNECT_TIMEOUT_S = 10.0
# Unauthorized: the client has said what is wrong with the token.
_HINTS = {
    Unauthorized: f"The token is the value of {environment.TOKEN_VARIABLE}.",
    Forbidden: f"Check that the tenant and the scopes of the token in {environment.TOKEN_VARIABLE} are those of this "
    "deployment.",
}


@dataclass(frozen=True)
class Session:
    """One run of a command."""

    client: Client
    screen: Screen
    token: str


@contextmanager
def session(json: Json = False, url: Url = None, ca_bundle: CaBundle = None) -> Iterator[Session]:
    """Yield the session of a command that calls the API. The token comes from the environment.

    The parameters are options of each such command.

    Raises `typer.Exit` with 2 if a setting is missing, with 1 if the block raises one of the expected errors, and with
    130 after Ctrl-C. The error is printed, with a hint where there is one.
    """
    screen = Screen(json)
    with reported(screen):
        token = environment.required(environment.TOKEN_VARIABLE, "set it to a bearer token for the API")
        url = url or environment.required(environment.URL_VARIABLE, "set it to the URL of the API, or give --url")
        trusted = environment.existing_file(ca_bundle) if ca_bundle else environment.ca_bundle()
        require_reachable(url, trusted)
        try:
            with Client(url, token, ca_bundle=trusted, connect_timeout_s=_CONNECT_TIMEOUT_S, tries=_TRIES) as client:
                yield Session(client, screen, token)
        except (Forbidden, Unauthorized) as error:
            screen.note(str(error))
            screen.note(_HINTS[type(error)])
            raise typer.Exit(1) from error


calls_api = opening(session)
"""Decorates a command that calls the API. The command gets the session as its first argument."""


@contextmanager
def reported(screen: Screen) -> Iterator[None]:
    """Print the expected errors of the block. Raises `typer.Exit` in their place."""
    try:
        yield
    except environment.SettingMissingError as error:
        screen.note(str(error))
        raise typer.Exit(2) from error
    except (ClientError, LedgerError, NotReachableError, TimeoutError, UnknownAnalysisError, OSError) as error:
        screen.note(str(error))
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(INTERRUPTED) from error


@contextmanager
def aws_extra() -> Iterator[None]:
    """Mark imports of the AWS SDK. Raises `SettingMissingError` if the extra `aws` is not installed."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise environment.SettingMissingError(
            f"{error.name} is not installed. This command calls AWS: pip install 'analysis-jobs[aws,cli]'."
        ) from error
