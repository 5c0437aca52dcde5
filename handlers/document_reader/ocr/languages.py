"""Finds the language data of Tesseract."""

from collections.abc import Sequence
from pathlib import Path

from document_reader.task import NotPackagedError

DEFAULT = ("eng",)
# A virtual environment's folder is so many levels above `lib/python3.13/site-packages/tesserocr/__init__.py`.
_LEVELS_TO_ENVIRONMENT = 5


def language_folder(module: Path, codes: Sequence[str] = DEFAULT) -> Path:
    """Return the folder with the data of all languages. Tesseract reads them from one folder.

    The wheels install it beside the packages in Lambda (`/var/task/share/tessdata`), and above them in a virtual
    environment. Files in `share/tessdata` beside the analyses are packaged into the same folder. Raises
    `NotPackagedError` with the extra of a language that is missing.
    """
    folders = [above / "share" / "tessdata" for above in module.parents[:_LEVELS_TO_ENVIRONMENT]]
    missing: str = codes[0]
    for folder in folders:
        absent = [code for code in codes if not (folder / f"{code}.traineddata").is_file()]
        if not absent:
            return folder
        if len(absent) < len(codes):
            missing = absent[0]
    raise NotPackagedError(
        "ocr" if missing in DEFAULT else f"ocr-{missing}",
        "tessdata" if missing in DEFAULT else f"tessdata for {missing}",
    )
