"""Shows a job, and any JSON value, for people."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from analysis_jobs.cli.screen import status_text, table

# A list of objects with more fields, or with longer values, is shown as a block for each object.
_MOST_COLUMNS = 6
_LONGEST_IN_A_TABLE = 60
_INDENTATION = 2
# These have lines of their own, or come with another one. The client has read the result from its URL.
_NOT_LISTED = {
    *("analysis", "attempt", "cost_usd", "created_at", "error", "files", "finished_at", "history", "job_id", "models"),
    *("processing_seconds", "progress", "prompts", "result", "result_url", "result_url_expires_at", "stage"),
    *("stages_completed", "started_at", "status", "usage", "wait_seconds"),
}


def job(shown: Mapping[str, Any]) -> Iterator[RenderableType]:
    """Yield what people are shown of a job: its state, then its result and its files."""
    yield _grid(_facts(shown))
    if (result := shown.get("result")) is not None:
        yield Text("\nResult", "bold")
        yield Padding.indent(value(result), _INDENTATION)
    if files := shown.get("files"):
        rows = [(name, _size(file["size"]), file["content_type"]) for name, file in files.items()]
        yield Text("\nFiles", "bold")
        yield Padding.indent(table(("name", "size", "type"), rows, whole=("name",)), _INDENTATION)


def value(given: Any) -> RenderableType:
    """Return a JSON value for people: names beside their values, lists as tables or with dashes."""
    match given:
        case dict():
            set_ = [(name, each) for name, each in given.items() if each not in (None, "", [], {})]
            return _fields(set_) if set_ else Text("nothing")
        case list() if given and all(map(_fits_in_a_row, given)) and len(_columns(given)) <= _MOST_COLUMNS:
            columns = _columns(given)
            rows = [[_plain(each.get(name)) for name in columns] for each in given]
            return table([_words(name) for name in columns], rows, whole=[_words(name) for name in columns])
        case list():
            return Group(*(_item(each) for each in given)) if given else Text("nothing")
    return Text(_plain(given))


def error_text(shown: Mapping[str, Any]) -> str:
    """Return the error of a job in one line. Empty if it has none."""
    error = shown.get("error") or {}
    return f"{error.get('code')}: {error.get('message')}" if error else ""


def _facts(shown: Mapping[str, Any]) -> Iterator[tuple[str, RenderableType]]:
    yield "job", Text(shown["job_id"], "bold")
    yield "analysis", Text(shown.get("analysis") or "")
    yield "status", _state(shown)
    if error := error_text(shown):
        again = " It may succeed if it is run again." if (shown.get("error") or {}).get("retryable") else ""
        yield "error", Text(error + again, "red")
    for name in ("created_at", "started_at", "finished_at"):
        if moment := shown.get(name):
            yield _TIMES[name][0], Text(_time(moment) + _lasted(shown, name))
    if (attempt := shown.get("attempt") or 0) > 1:
        yield "attempts", Text(str(attempt))
    if (usage := shown.get("usage") or {}).get("calls"):
        yield "models", Text(_usage(usage, shown.get("cost_usd")))
    if prompts := shown.get("prompts"):
        yield "prompts", Text(", ".join(f"{name} {_plain(version)}" for name, version in sorted(prompts.items())))
    for name, each in shown.items():
        if name not in _NOT_LISTED and each not in (None, "", [], {}):
            yield _words(name), value(each)


_TIMES = {
    "created_at": ("submitted", ""),
    "started_at": ("started", "wait_seconds"),
    "finished_at": ("finished", "processing_seconds"),
}
_MEANING = {"wait_seconds": "waited {} s", "processing_seconds": "worked for {} s"}


def _lasted(shown: Mapping[str, Any], name: str) -> str:
    field = _TIMES[name][1]
    seconds = shown.get(field)
    return f"  ({_MEANING[field].format(_plain(seconds))})" if seconds is not None else ""


def _state(shown: Mapping[str, Any]) -> Text:
    text = status_text(shown["status"])
    if shown["status"] == "processing":
        text.append(f"  {shown.get('progress') or 0} %", "default")
    if shown.get("stage") and shown["status"] in {"processing", "failed"}:
        text.append(f"  stage {shown['stage']}", "default")
    return text


def _usage(usage: Mapping[str, Any], cost_usd: float | None) -> str:
    calls = usage["calls"]
    tokens = [f"{amount:,} {_words(name)}" for name, amount in usage.items() if name != "calls" and amount]
    cost = f"{cost_usd:.6f}".rstrip("0").rstrip(".") + " USD" if cost_usd is not None else "cost unknown"
    return ", ".join([f"{calls} call{'s' if calls != 1 else ''}", *tokens, cost])


def _fields(fields: Sequence[tuple[str, Any]]) -> RenderableType:
    """Return short values beside their names, and others below their names."""
    parts: list[RenderableType] = []
    beside: list[tuple[str, RenderableType]] = []
    for name, each in fields:
        if isinstance(each, dict | list):
            if beside:
                parts.append(_grid(beside))
                beside = []
            parts += [Text(_words(name), "dim"), Padding.indent(value(each), _INDENTATION)]
        else:
            beside.append((_words(name), Text(_plain(each))))
    return Group(*parts, *([_grid(beside)] if beside else []))


def _grid(rows: Iterator[tuple[str, RenderableType]] | Sequence[tuple[str, RenderableType]]) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, each in rows:
        grid.add_row(name, each)
    return grid


def _item(given: Any) -> RenderableType:
    row = Table.grid(padding=(0, 1, 0, 0))
    row.add_row("-", value(given))
    return row


def _fits_in_a_row(given: Any) -> bool:
    return isinstance(given, dict) and all(
        not isinstance(each, dict | list) and len(_plain(each)) <= _LONGEST_IN_A_TABLE for each in given.values()
    )


def _columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name, each in row.items() if each is not None))


def _plain(given: Any) -> str:
    match given:
        case None:
            return ""
        case bool():
            return "yes" if given else "no"
    return str(given)


def _words(name: str) -> str:
    return name.replace("_", " ")


def _time(moment: str) -> str:
    """Return an RFC 3339 time without its fraction of a second."""
    try:
        return datetime.fromisoformat(moment).replace(microsecond=0).isoformat(" ").replace("+00:00", " UTC")
    except ValueError:
        return moment


def _size(size: int) -> str:
    for unit, bytes_ in (("MB", 10**6), ("kB", 10**3)):
        if size >= bytes_:
            return f"{size / bytes_:.1f} {unit}"
    return f"{size} bytes"
