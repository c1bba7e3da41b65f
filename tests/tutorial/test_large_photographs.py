"""The memory for photographs of 40 megapixels, measured in a separate process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

PROGRAM = """
import re, sys
from collections import Counter
from pathlib import Path
from flowy.tutorial import images

path = Path(sys.argv[1])
images.thumbnail(path, 128)
colors = sum((images.colors(strip) for strip in images.strips(path)), Counter())
assert images.predominant(colors) == "orange", colors
peak = re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())
print(int(peak[1]) // 1024)
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
@pytest.mark.parametrize(
    ("mode", "format", "options", "megabytes"),
    [
        ("RGB", "JPEG", {}, 60),
        ("RGB", "JPEG", {"progressive": True, "subsampling": 0}, 300),
        ("RGBA", "PNG", {"compress_level": 1}, 300),
        ("P", "GIF", {}, 200),
        ("RGB", "TIFF", {}, 300),
    ],
)
def test_a_photograph_of_40_megapixels_takes_little_more_than_its_decoded_pixels(
    mode: str, format: str, options: dict[str, object], megabytes: int, tmp_path: Path
) -> None:
    path = tmp_path / "photo"
    Image.new("RGB", (8000, 5000), (255, 130, 0)).convert(mode).save(path, format, **options)
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(path)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(run.stdout) < megabytes
