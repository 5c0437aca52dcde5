"""What goes to a model beside the prompt: pictures and documents, as bytes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analysis_jobs.base.attachment import Attachment
from analysis_jobs.base.errors import Fail


@dataclass(frozen=True)
class Kind:
    """What a vendor takes of one kind: media types with the vendor's names of them, how many, how large each."""

    what: str
    formats: Mapping[str, str]
    most: int
    most_bytes: int


@dataclass(frozen=True)
class Sorted:
    """An attachment that the vendor takes: as which kind, in which format."""

    attachment: Attachment
    kind: Kind
    format: str


def sort_out(attachments: Sequence[Attachment], kinds: Sequence[Kind], vendor: str) -> list[Sorted]:
    """Return what each attachment is to a vendor, in their order.

    Raises `Fail` for what it does not take: `attachment_not_supported`, `attachment_too_large`, `attachments_too_many`.
    """
    found = [_sort_one(attachment, kinds, vendor) for attachment in attachments]
    for what, count in Counter(each.kind.what for each in found).items():
        [kind] = [kind for kind in kinds if kind.what == what]
        if count > kind.most:
            raise Fail("attachments_too_many", f"{vendor} takes at most {kind.most} {what} at once, not {count}")
    return found


def _sort_one(attachment: Attachment, kinds: Sequence[Kind], vendor: str) -> Sorted:
    name, size = attachment.name, len(attachment.content)
    media_type = attachment.media_type.partition(";")[0].strip().lower()
    kind = next((kind for kind in kinds if media_type in kind.formats), None)
    if kind is None:
        raise Fail("attachment_not_supported", f"{name}: {vendor} does not take {media_type or 'what has no type'}")
    if size == 0:
        raise Fail("attachment_not_supported", f"{name} has no bytes")
    if size > kind.most_bytes:
        raise Fail("attachment_too_large", f"{name} has {size} bytes; {vendor} takes at most {kind.most_bytes}")
    return Sorted(attachment, kind, kind.formats[media_type])
