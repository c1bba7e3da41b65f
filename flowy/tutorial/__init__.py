"""The tutorial's image workflow: shrink a photograph and file it under its predominant colour.

`docs/tutorial.md` explains how it is made. The activities need Pillow and requests, which come with
the extra ``tutorial``; the workflow needs neither.
"""

from pathlib import Path

from flowy.tutorial.workflows import ImageCategorization

__all__ = ["SAMPLE", "ImageCategorization", "ImageError"]

SAMPLE = Path(__file__).with_name("sample.jpg")
"""A small picture of a landscape to try the workflow on."""


class ImageError(Exception):
    """An image cannot be fetched, read or stored; the message says which one and why."""
