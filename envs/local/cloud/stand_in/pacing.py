"""Streams at the speed that a scenario wants."""

from collections.abc import Sequence

from cloud.stand_in.wire import Wire


def send_paced(wire: Wire, events: Sequence[bytes], pause_s: float) -> None:
    """Send messages of a stream, with a pause after each; all at once without one."""
    if not pause_s:
        wire.send_events(*events)
        return
    for event in events:
        wire.send_events(event)
        wire.wait(pause_s)


def pieces(whole: str, size: int) -> list[str]:
    """Return a text in the pieces it is streamed in."""
    return [whole[start : start + size] for start in range(0, len(whole), size)]
