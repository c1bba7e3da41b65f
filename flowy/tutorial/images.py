"""The image work: a thumbnail of a photograph, and its predominant colour.

A photograph is decoded completely, but converted and shrunk strip by strip, which takes less
memory. A JPEG file is not even decoded at full size, since its decoder can shrink.
"""

from __future__ import annotations

import io
import math
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import cast

from flowy._installation import install_command

try:
    from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        f"the tutorial's activities need Pillow; install it: {install_command('tutorial')}",
        name=error.name,
    ) from error

from flowy.tutorial import ImageError

CATEGORIES = (
    "red",
    "orange",
    "yellow",
    "green",
    "cyan",
    "blue",
    "purple",
    "pink",
    "brown",
    "black",
    "gray",
    "white",
)
"""Names of colours; of two colours with the same number of pixels, the one listed first wins."""

# Not every format that Pillow reads: an EPS file, for example, is a program for Ghostscript.
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "PPM")
MAXIMUM_PIXELS = 50_000_000  # Of a decoded image, at four bytes each, or sixteen for WEBP.
MAXIMUM_SIZE = 2048
STRIPS = 8
COLOR_SIDE = 256

# The upper end of each hue, in degrees of the colour circle.
_HUES = (
    (15, "red"),
    (42, "orange"),
    (68, "yellow"),
    (165, "green"),
    (195, "cyan"),
    (258, "blue"),
    (310, "purple"),
    (345, "pink"),
    (360, "red"),
)


def check_size(size: object) -> None:
    """Raise an error unless a value can be the size of a thumbnail.

    Raises:
        ImageError: it is not a whole number of pixels from 1 to `MAXIMUM_SIZE`.
    """
    if isinstance(size, bool) or not isinstance(size, int) or not 1 <= size <= MAXIMUM_SIZE:
        raise ImageError(
            f"The size must be a whole number of pixels from 1 to {MAXIMUM_SIZE}, not {size!r}."
        )


def thumbnail(path: Path, size: int) -> bytes:
    """Return a small, upright JPEG picture of the photograph in a file.

    Transparent parts become white. A picture that is smaller already is not enlarged.

    Args:
        path: the file, in one of `FORMATS`.
        size: the longest side of the thumbnail, in pixels.

    Raises:
        ImageError: the file cannot be read as an image, or the size is wrong.
    """
    check_size(size)
    image = _decoded(path, size)
    factor = _factor(image, size)
    reduced = Image.new("RGB", (-(-image.width // factor), -(-image.height // factor)), "white")
    top = 0
    for strip in _strips(image, factor):
        reduced.paste(strip, (0, top), mask=strip.getchannel("A"))
        top += strip.height
    small = reduced.resize(_fitted(reduced, size), Image.Resampling.LANCZOS)
    small.getexif()[ExifTags.Base.Orientation] = image.getexif().get(ExifTags.Base.Orientation, 1)
    ImageOps.exif_transpose(small, in_place=True)
    # A colour profile made for CMYK or gray values is wrong for RGB values.
    profile = image.info.get("icc_profile") if image.mode in ("RGB", "RGBA") else None
    output = io.BytesIO()
    small.save(output, "JPEG", quality=85, icc_profile=profile)
    return output.getvalue()


def strips(path: Path) -> Iterator[Image.Image]:
    """Yield the photograph in a file from top to bottom, reduced, in at most `STRIPS` strips.

    Each strip is an RGBA image. The counts of `colors` for the strips add up to those of the image.

    Args:
        path: the file, in one of `FORMATS`.

    Raises:
        ImageError: the file cannot be read as an image.
    """
    image = _decoded(path, COLOR_SIDE)
    yield from _strips(image, _factor(image, COLOR_SIDE))


def colors(image: Image.Image) -> Counter[str]:
    """Count the pixels of an RGBA image by the name of their colour; ignore transparent ones."""
    hue, saturation, value = image.convert("RGB").convert("HSV").split()
    alpha = image.getchannel("A")
    levels = Image.merge(
        "RGBA",
        (
            hue.point(lambda level: level & 0xFE | 0x01),
            saturation.point(lambda level: level & 0xF0 | 0x08),
            value.point(lambda level: level & 0xF0 | 0x08),
            alpha.point(lambda level: level & 0x80),
        ),
    )
    counts: Counter[str] = Counter()
    found = levels.getcolors(maxcolors=image.width * image.height)
    for count, (h, s, v, opaque) in cast("list[tuple[int, tuple[int, int, int, int]]]", found):
        if opaque:
            counts[_name(h * 360 / 255, s / 255, v / 255)] += count
    return counts


def predominant(counts: Counter[str]) -> str:
    """Return the colour with the most pixels, or "white" if there are no pixels.

    Example:
        >>> predominant(Counter(red=3, blue=7))
        'blue'
    """
    if not counts.total():
        return "white"
    return max(CATEGORIES, key=lambda name: counts[name])


def _decoded(path: Path, side: int) -> Image.Image:
    """Read a file's first picture; a JPEG one as small as its decoder makes it for `side`."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            width, height = _fitted(image, side)
            image.draft(None, (2 * width, 2 * height))
            if image.width * image.height > MAXIMUM_PIXELS:
                raise Image.DecompressionBombError
            image.load()
            # Pillow keeps what it can read. A broken EXIF block costs the rotation, nothing more.
            with suppress(Exception):
                image.getexif()
            return image
    except UnidentifiedImageError as problem:
        raise ImageError(f"This is not an image; {', '.join(FORMATS)} can be read.") from problem
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as problem:
        millions = MAXIMUM_PIXELS // 1_000_000
        raise ImageError(f"The image has more than {millions} million pixels.") from problem
    except Exception as problem:  # Decoders raise errors of any kind.
        raise ImageError(f"The image is damaged: {problem}.") from problem


def _fitted(image: Image.Image, side: int) -> tuple[int, int]:
    """Return the width and height of an image shrunk to fit a square."""
    scale = min(1, side / max(image.size))
    return max(1, round(image.width * scale)), max(1, round(image.height * scale))


def _factor(image: Image.Image, side: int) -> int:
    """Return the factor to reduce an image by before a good filter brings it to a side."""
    return max(1, max(image.size) // (2 * side))


def _strips(image: Image.Image, factor: int) -> Iterator[Image.Image]:
    white = _white(image)
    rows = factor * math.ceil(image.height / (factor * STRIPS))
    for top in range(0, image.height, rows):
        strip = image.crop((0, top, image.width, min(top + rows, image.height)))
        if white:
            strip = strip.convert("F").point(lambda level: level * (255 / white) + 0).convert("L")
            strip.info.pop("transparency", None)
        yield strip.convert("RGBA").reduce(factor)


def _white(image: Image.Image) -> float | None:
    """Return the level of white in an image of more than 8 bits, where Pillow would clip at 255."""
    if image.mode.startswith("I;16"):
        return 65535
    if image.mode in ("I", "F"):
        _, brightest = cast("tuple[float, float]", image.getextrema())
        return max(brightest, 65535 if image.mode == "I" else 0) or 1
    return None


def _name(hue: float, saturation: float, value: float) -> str:
    """Name a colour: hue in degrees, saturation and value from 0 to 1."""
    chroma = saturation * value
    if value < 0.2:
        return "black"
    if chroma < 0.12:
        return "white" if value > 0.85 else "gray"
    name = next(name for end, name in _HUES if hue <= end)
    if name == "orange" and value < 0.85 and chroma < 0.56:
        return "brown"
    if name == "yellow" and value < 0.6:
        return "green"
    if name == "red" and value > 0.75 and saturation < 0.55:
        return "pink"
    return name
