"""Thumbnails and colours of every common kind of photograph, and of other files."""

from __future__ import annotations

import io
import struct
import zlib
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from flowy.tutorial import SAMPLE, ImageError, images
from tests.support.properties import examples

ORANGE, BLUE = (255, 130, 0), (30, 60, 220)


def opened(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    image.load()
    return image


def color_of(path: Path) -> str:
    counts: Counter[str] = Counter()
    for strip in images.strips(path):
        counts.update(images.colors(strip))
    return images.predominant(counts)


def close_to(pixel: object, wanted: tuple[int, int, int], by: int = 12) -> bool:
    assert isinstance(pixel, tuple)
    return all(abs(a - b) <= by for a, b in zip(pixel, wanted, strict=True))


def two_tone(width: int = 320, height: int = 200) -> Image.Image:
    """Orange above, blue below: the upper 3/5 against the lower 2/5."""
    image = Image.new("RGB", (width, height), ORANGE)
    image.paste(BLUE, (0, height * 3 // 5, width, height))
    return image


def sixteen_bit_gray() -> Image.Image:
    gray = Image.linear_gradient("L").resize((320, 200))
    return gray.convert("I").point(lambda level: level * 257 + 0).convert("I;16")


def sixteen_bit_color_png() -> bytes:
    """Write what Pillow cannot: a PNG file of three times 16 bits, all orange."""

    def chunk(name: bytes, body: bytes) -> bytes:
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    row = b"\0" + struct.pack(">3H", *(level * 257 for level in ORANGE)) * 320
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 320, 200, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 200))
        + chunk(b"IEND", b"")
    )


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    output = io.BytesIO()
    image.save(output, format, **options)
    return output.getvalue()


def animated_gif() -> bytes:
    later = [Image.new("RGB", (320, 200), "black") for _ in range(3)]
    return saved(two_tone(), "GIF", save_all=True, append_images=later)


KINDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: saved(two_tone(), "JPEG"),
    "progressive jpeg": lambda: saved(two_tone(), "JPEG", progressive=True),
    "cmyk jpeg": lambda: saved(two_tone().convert("CMYK"), "JPEG"),
    "multi-picture jpeg": lambda: saved(
        two_tone(), "MPO", save_all=True, append_images=[two_tone().resize((32, 20))]
    ),
    "png": lambda: saved(two_tone(), "PNG"),
    "png with alpha": lambda: saved(two_tone().convert("RGBA"), "PNG"),
    "palette png": lambda: saved(two_tone().quantize(8), "PNG"),
    "16-bit color png": sixteen_bit_color_png,
    "animated gif": animated_gif,
    "webp": lambda: saved(two_tone(), "WEBP"),
    "tiff": lambda: saved(two_tone(), "TIFF"),
    "lzw tiff": lambda: saved(two_tone(), "TIFF", compression="tiff_lzw"),
    "cmyk tiff": lambda: saved(two_tone().convert("CMYK"), "TIFF"),
    "lab tiff": lambda: saved(
        Image.merge("LAB", [Image.new("L", (320, 200), level) for level in (180, 170, 190)]), "TIFF"
    ),
    "bmp": lambda: saved(two_tone(), "BMP"),
    "ppm": lambda: saved(two_tone(), "PPM"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_common_kind_of_color_photograph_gives_a_jpeg_thumbnail_and_its_color(
    kind: str, tmp_path: Path
) -> None:
    path = tmp_path / "photo"
    path.write_bytes(KINDS[kind]())
    small = opened(images.thumbnail(path, 128))
    assert (small.format, small.mode, small.size) == ("JPEG", "RGB", (128, 80))
    assert color_of(path) == "orange"
    if kind != "lab tiff":
        assert close_to(small.getpixel((64, 10)), ORANGE, by=20)


@pytest.mark.parametrize(
    ("image", "format"),
    [
        (Image.linear_gradient("L").resize((320, 200)), "JPEG"),
        (Image.linear_gradient("L").resize((320, 200)), "PNG"),
        (Image.linear_gradient("L").resize((320, 200)).convert("LA"), "PNG"),
        (Image.linear_gradient("L").resize((320, 200)).convert("1"), "PNG"),
        (Image.linear_gradient("L").resize((320, 200)).convert("1"), "TIFF"),
        (sixteen_bit_gray(), "PNG"),
        (sixteen_bit_gray(), "TIFF"),
        (sixteen_bit_gray(), "PPM"),
        (Image.linear_gradient("L").resize((320, 200)).convert("F"), "TIFF"),
    ],
    ids=lambda value: value if isinstance(value, str) else value.mode,
)
def test_gray_pictures_of_any_depth_keep_their_shades(
    image: Image.Image, format: str, tmp_path: Path
) -> None:
    path = tmp_path / "photo"
    image.save(path, format)
    small = opened(images.thumbnail(path, 64))
    assert small.size == (64, 40)
    for y, shade in ((2, 16), (20, 128), (37, 239)):
        row = small.crop((0, y, 64, y + 1)).resize((1, 1), Image.Resampling.BOX)
        assert close_to(row.getpixel((0, 0)), (shade, shade, shade), by=30)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_an_all_black_picture_of_great_depth_is_black(mode: str, tmp_path: Path) -> None:
    path = tmp_path / "photo.tif"
    Image.new(mode, (40, 30)).save(path)
    assert opened(images.thumbnail(path, 20)).getextrema() == ((0, 0), (0, 0), (0, 0))
    assert color_of(path) == "black"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photograph_is_turned_upright_as_its_exif_data_say(
    orientation: int, tmp_path: Path
) -> None:
    upright = Image.new("RGB", (160, 100), "gray")
    upright.paste("red", (0, 0, 80, 50))
    stored = {
        1: upright,
        2: upright.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        3: upright.transpose(Image.Transpose.ROTATE_180),
        4: upright.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
        5: upright.transpose(Image.Transpose.TRANSPOSE),
        6: upright.transpose(Image.Transpose.ROTATE_90),
        7: upright.transpose(Image.Transpose.TRANSVERSE),
        8: upright.transpose(Image.Transpose.ROTATE_270),
    }[orientation]
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    for format in ("JPEG", "PNG", "WEBP", "TIFF"):
        path = tmp_path / format
        stored.save(path, format, exif=exif)
        small = opened(images.thumbnail(path, 80))
        assert small.size == (80, 50)
        assert close_to(small.getpixel((10, 10)), (255, 0, 0), by=20)
        assert close_to(small.getpixel((70, 40)), (128, 128, 128), by=20)
        assert ExifTags.Base.Orientation not in small.getexif()


def test_a_broken_exif_block_costs_the_rotation_and_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    two_tone().save(path, exif=b"Exif\0\0this is no TIFF header")
    assert opened(images.thumbnail(path, 32)).size == (32, 20)


@pytest.mark.parametrize("format", ["PNG", "WEBP"])
def test_transparent_parts_become_white_and_have_no_color(format: str, tmp_path: Path) -> None:
    image = Image.new("RGBA", (200, 100), (0, 255, 0, 0))
    image.paste((*BLUE, 255), (0, 0, 60, 100))
    path = tmp_path / "photo"
    image.save(path, format, **({"lossless": True} if format == "WEBP" else {}))
    small = opened(images.thumbnail(path, 100))
    assert close_to(small.getpixel((80, 25)), (255, 255, 255))
    assert color_of(path) == "blue"


def test_a_transparent_palette_color_is_seen_through(tmp_path: Path) -> None:
    image = Image.new("P", (200, 100), 1)
    image.putpalette([*ORANGE, *BLUE])
    image.paste(0, (0, 0, 60, 100))
    path = tmp_path / "photo.gif"
    image.save(path, transparency=1)
    assert close_to(opened(images.thumbnail(path, 100)).getpixel((80, 25)), (255, 255, 255))
    assert color_of(path) == "orange"


def test_a_transparent_level_of_a_16_bit_picture_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    sixteen_bit_gray().save(path, transparency=40_000)
    assert opened(images.thumbnail(path, 64)).size == (64, 40)


def test_a_picture_with_nothing_to_see_is_white(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGBA", (50, 50), (255, 0, 0, 0)).save(path)
    assert color_of(path) == "white"


@pytest.mark.parametrize(
    ("size", "asked", "wanted"),
    [
        ((1, 1), 128, (1, 1)),
        ((100, 50), 128, (100, 50)),
        ((1000, 2), 100, (100, 1)),
        ((3, 4001), 40, (1, 40)),
        ((999, 1333), 128, (96, 128)),
        ((640, 480), 1, (1, 1)),
    ],
)
def test_a_thumbnail_fits_the_size_keeps_its_shape_and_is_never_enlarged(
    size: tuple[int, int], asked: int, wanted: tuple[int, int], tmp_path: Path
) -> None:
    path = tmp_path / "photo.png"
    Image.new("RGB", size, ORANGE).save(path)
    small = opened(images.thumbnail(path, asked))
    assert small.size == wanted
    assert close_to(small.getpixel((0, 0)), ORANGE)
    assert color_of(path) == "orange"


@pytest.mark.parametrize("size", [0, -1, 2049, 12.5, "128", None, True, [128, 128]])
def test_a_wrong_size_is_refused_in_a_sentence(size: object) -> None:
    with pytest.raises(ImageError, match=r"whole number of pixels from 1 to 2048, not"):
        images.check_size(size)


def test_the_color_profile_of_a_photograph_is_kept_where_it_still_holds(tmp_path: Path) -> None:
    photo, gray = tmp_path / "photo.jpg", tmp_path / "gray.jpg"
    two_tone().save(photo, icc_profile=b"a profile")
    two_tone().convert("L").save(gray, icc_profile=b"a profile")
    assert opened(images.thumbnail(photo, 32)).info["icc_profile"] == b"a profile"
    assert "icc_profile" not in opened(images.thumbnail(gray, 32)).info


def test_the_same_photograph_gives_the_same_bytes() -> None:
    assert images.thumbnail(SAMPLE, 128) == images.thumbnail(SAMPLE, 128)


def test_the_sample_is_small_and_blue() -> None:
    assert SAMPLE.stat().st_size < 60_000
    assert color_of(SAMPLE) == "blue"


@pytest.mark.parametrize(
    ("rgb", "name"),
    [
        ("red", "red"),
        ("crimson", "red"),
        ("darkorange", "orange"),
        ("gold", "yellow"),
        ("yellow", "yellow"),
        ("forestgreen", "green"),
        ("olive", "green"),
        ("cyan", "cyan"),
        ("teal", "cyan"),
        ("royalblue", "blue"),
        ("skyblue", "blue"),
        ("navy", "blue"),
        ("purple", "purple"),
        ("magenta", "purple"),
        ("hotpink", "pink"),
        ("pink", "pink"),
        ("saddlebrown", "brown"),
        ("tan", "brown"),
        ("black", "black"),
        ("#202020", "black"),
        ("gray", "gray"),
        ("silver", "gray"),
        ("white", "white"),
        ("snow", "white"),
    ],
)
def test_colors_have_their_usual_names(rgb: str, name: str) -> None:
    assert images.colors(Image.new("RGBA", (3, 2), rgb)) == {name: 6}


@given(rgb=st.tuples(*[st.integers(0, 255)] * 3))
@example(rgb=(255, 0, 1))  # the end of the colour circle
def test_every_color_has_a_name(rgb: tuple[int, int, int]) -> None:
    (name,) = images.colors(Image.new("RGBA", (1, 1), (*rgb, 255)))
    assert name in images.CATEGORIES


def test_of_two_colors_with_as_many_pixels_the_first_named_wins() -> None:
    assert images.predominant(Counter(blue=5, red=5, white=4)) == "red"


@pytest.mark.parametrize("content", [b"", b"This is no image.", b"<svg></svg>", b"\0" * 5000])
def test_a_file_that_is_not_an_image_is_refused_in_a_sentence(
    content: bytes, tmp_path: Path
) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"^This is not an image; JPEG, PNG, .* can be read\.$"):
        images.thumbnail(path, 128)


def test_a_program_in_the_guise_of_an_image_is_not_run(tmp_path: Path) -> None:
    path = tmp_path / "photo.eps"
    two_tone().save(path)
    with pytest.raises(ImageError, match="not an image"):
        images.thumbnail(path, 128)


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "tiff", "bmp"])
def test_a_truncated_image_is_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    content = KINDS[kind]()
    path = tmp_path / "photo"
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(ImageError, match=r"^(The image is damaged: |This is not an image; ).*$"):
        images.thumbnail(path, 128)
    with pytest.raises(ImageError):
        color_of(path)


def bomb(side: int) -> bytes:
    return saved(Image.new("1", (side, side)), "PNG")


@pytest.mark.parametrize("side", [7_100, 10_000, 14_000])
def test_a_decompression_bomb_is_refused_before_it_is_decoded(side: int, tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(bomb(side))
    with pytest.raises(ImageError, match="more than 50 million pixels"):
        images.thumbnail(path, 128)
    with pytest.raises(ImageError, match="more than 50 million pixels"):
        color_of(path)


def test_a_jpeg_larger_than_that_is_read_as_its_decoder_shrinks_it(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    Image.new("L", (9_000, 6_000), 128).save(path, quality=30)
    assert opened(images.thumbnail(path, 90)).size == (90, 60)


@settings(
    max_examples=examples(150),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    keep=st.floats(0, 1),
    damage=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
)
@example(kind="png", keep=1.0, damage=[])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damage_of_any_kind_gives_a_thumbnail_or_a_sentence(
    kind: str, keep: float, damage: list[tuple[float, int]], tmp_path: Path
) -> None:
    content = bytearray(KINDS[kind]())
    for place, value in damage:
        content[int(place * len(content))] = value
    path = tmp_path / "photo"
    path.write_bytes(content[: int(keep * len(content))])
    # Whatever is wrong with a file, only an `ImageError` may be raised.
    with suppress(ImageError):
        assert opened(images.thumbnail(path, 16)).format == "JPEG"
        assert color_of(path) in images.CATEGORIES
