"""Checks a question's attachments against what a model vendor accepts."""

from collections import Counter
from collections.abc import Mapping, Sequence

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import Fail
from analysis_jobs.base.values import dataclass


@dataclass(frozen=True)
class AttachmentKind:
    """A kind of attachment that a vendor accepts, for example pictures.

    `label` names the kind in messages. `formats` maps each media type to the vendor's name of the format. A question
    may have `max_count` attachments of this kind, each of at most `max_bytes`. Kinds with one label count together.
    """

    label: str
    formats: Mapping[str, str]
    max_count: int
    max_bytes: int


@dataclass(frozen=True)
class AcceptedAttachment:
    """An attachment that the vendor accepts. `format` is the vendor's name of its media type."""

    attachment: Attachment
    kind: AttachmentKind
    format: str


def accept_attachments(
    attachments: Sequence[Attachment], kinds: Sequence[AttachmentKind], vendor: str
) -> list[AcceptedAttachment]:
    """Return the kind and the format of each attachment, in order.

    Raises `Fail` if the vendor does not accept them: `attachment_not_supported`, `attachment_too_large`,
    `attachments_too_many`.
    """
    accepted = [_accept(attachment, kinds, vendor) for attachment in attachments]
    for label, count in Counter(each.kind.label for each in accepted).items():
        kind = next(kind for kind in kinds if kind.label == label)
        if count > kind.max_count:
            raise Fail(
                "attachments_too_many", f"{vendor} accepts at most {kind.max_count} {label} per question, not {count}"
            )
    return accepted


def _accept(attachment: Attachment, kinds: Sequence[AttachmentKind], vendor: str) -> AcceptedAttachment:
    name, size = attachment.name, len(attachment.content)
    media_type = attachment.media_type.partition(";")[0].strip().lower()
    kind = next((kind for kind in kinds if media_type in kind.formats), None)
    if kind is None:
        accepted = ", ".join(sorted({media_type for kind in kinds for media_type in kind.formats}))
        raise Fail(
            "attachment_not_supported",
            f"{name}: {vendor} does not accept the media type {media_type!r}; it accepts {accepted}",
        )
    if size == 0:
        raise Fail("attachment_not_supported", f"{name} is empty")
    if size > kind.max_bytes:
        raise Fail("attachment_too_large", f"{name} has {size} bytes; {vendor} accepts at most {kind.max_bytes}")
    return AcceptedAttachment(attachment, kind, kind.formats[media_type])
