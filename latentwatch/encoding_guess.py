"""What a sample of text is written in, where not UTF-8: found by its bytes, and said, since nothing proves it.

Path → the monitor's `encoding`, and a sentence.
"""

import re
import shlex
from contextlib import suppress
from pathlib import Path

import numpy as np

from latentwatch.domain.errors import InvalidHistory, InvalidInput
from latentwatch.streams.sources.file_records import first_bytes
from latentwatch.streams.sources.packed import SUFFIXES

WINDOWS = "cp1252"
"""Excel's in Western Europe and the Americas; it has every letter of Latin-1, and the euro's sign beside them."""
_LOOK_BYTES = 8 << 20
_WORD = re.compile(r"[^\W\d_]+")
_WIDE = {"utf-16-le": 1, "utf-16-be": 0}
"""At which of two places the zeros stand."""
_MOSTLY = 0.9


def guess_encoding(path: str) -> tuple[str | None, str]:
    """The encoding to name in the monitor, and what to say of it; None for UTF-8 and what a byte order mark tells.

    Raises InvalidHistory where the text is in another one that nothing tells.
    """
    if "://" in path or path.endswith((".parquet", ".pq")):
        return None, ""
    try:
        text = first_bytes(path, _LOOK_BYTES)
    except InvalidInput as error:
        raise InvalidHistory(str(error)) from None
    if text.startswith((b"\xff\xfe", b"\xfe\xff", b"PK\3\4", b"PAR1")):
        return None, ""
    if b"\0" in text:
        wide = _wide(text)
        return wide, f"encoding: {wide}, by the zeros beside its letters" if wide else ""
    whole = text[: text.rfind(b"\n") + 1] if len(text) == _LOOK_BYTES else text
    foreign = [sign for sign in whole.decode(errors="surrogateescape") if not sign.isascii()]
    broken = sum("\udc80" <= sign <= "\udcff" for sign in foreign)
    if 2 * broken <= len(foreign):  # UTF-8, perhaps with damaged rows, which are told one by one
        return None, ""
    words = None
    with suppress(UnicodeDecodeError):
        words = [word for word in _WORD.findall(text.decode(WINDOWS)) if not word.isascii()]
    if words is None or _is_of_another_script(words):
        raise InvalidHistory(
            f"{path}: is neither UTF-8 nor in the encoding of Western Europe's Windows (cp1252); make it UTF-8, with the name of its "
            f"encoding in the place of cp1251:\n  {_conversion(path)}"
        )
    shown = f" ({', '.join(dict.fromkeys(words[:50]))[:60]})" if words else ""
    return WINDOWS, (
        f"encoding: {WINDOWS} is assumed, as Excel saves text in Western Europe{shown}; correct it in the monitor's record where "
        "words look wrong"
    )


def _wide(text: bytes) -> str | None:
    """Which order of bytes UTF-16 has, where the letters are mostly Latin ones."""
    zeros = np.flatnonzero(np.frombuffer(text, np.uint8) == 0)
    for name, place in _WIDE.items():
        if len(zeros) * 4 > len(text) and (zeros % 2 == place).mean() > _MOSTLY:
            return name
    return None


def _is_of_another_script(words: list[str]) -> bool:
    """Whether words have more foreign letters than ASCII ones, as no Western language's do."""
    shares = [np.mean([sign.isascii() for sign in word]) for word in words if len(word) > 2]
    return bool(shares) and float(np.median(shares)) < 0.5


def _conversion(path: str) -> str:
    plain = path.removesuffix(Path(path).suffix) if path.endswith(SUFFIXES) else path
    unpacked = {".gz": "gzip -dc", ".zst": "zstd -dc"}.get(Path(path).suffix)
    target = str(Path(plain).with_suffix(f".utf8{Path(plain).suffix}"))
    read = (
        f"{unpacked} {shlex.quote(path)} | iconv -f cp1251 -t utf-8"
        if unpacked
        else f"iconv -f cp1251 -t utf-8 {shlex.quote(path)}"
    )
    return f"{read} > {shlex.quote(target)}"
