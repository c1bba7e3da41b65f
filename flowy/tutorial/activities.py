"""The three activities of the tutorial, all on the task list ``image_processing``."""

from __future__ import annotations

from collections import Counter
from hashlib import sha256

from flowy import Activity, activity
from flowy.tutorial import images, sources, storage


@activity("resize", 1, "image_processing", schedule_to_close=600, start_to_close=120)
class Resize(Activity):
    """Shrink a photograph."""

    def run(self, source: str, size: int = 128, results: str | None = None) -> str:
        """Store a small JPEG picture of a photograph in the folder for results.

        The same photograph and size give the same file, so running this twice does no harm.

        Args:
            source: an http or https URL, or the path of a file on the worker's machine.
            size: the longest side of the small picture, in pixels.
            results: a local folder or ``s3://bucket/prefix``; by default the worker's environment
                variable ``FLOWY_TUTORIAL_RESULTS``, or ``flowy-images``.

        Returns:
            The location of the small picture: an absolute path, or an ``s3://`` URL.

        Raises:
            ImageError: the photograph, the size or the folder is unusable; the message says why.
        """
        images.check_size(size)
        with sources.fetched(source) as path:
            small = images.thumbnail(path, size)
        name = f"{sources.stem(source)}-{sha256(small).hexdigest()[:12]}.jpg"
        return storage.store(small, name, results)


@activity("predominantcolor", 1, "image_processing", heartbeat=120, start_to_close=300)
class PredominantColor(Activity):
    """Find the colour that most of a photograph has."""

    def run(self, source: str) -> str | None:
        """Look at a photograph strip by strip, with a heartbeat before each.

        Args:
            source: an http or https URL, or the path of a file on the worker's machine.

        Returns:
            One of `flowy.tutorial.images.CATEGORIES`; None if the activity is no longer awaited.

        Raises:
            ImageError: the photograph is unusable; the message says why.
        """
        counts: Counter[str] = Counter()
        with sources.fetched(source) as path:
            for strip in images.strips(path):
                if not self.heartbeat():
                    return None
                counts.update(images.colors(strip))
        return images.predominant(counts)


@activity("renameimage", 1, "image_processing", schedule_to_close=600, start_to_close=60)
class RenameImage(Activity):
    """File a picture under its category."""

    def run(self, location: str, category: str) -> str:
        """Move a picture into the sub-folder of its category.

        Args:
            location: the location of the picture, as `Resize` returned it.
            category: a plain name, such as "blue".

        Returns:
            The new location.

        Raises:
            ImageError: the picture does not exist, or cannot be moved.
        """
        return storage.move(location, category)
