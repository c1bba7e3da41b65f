"""The workflow of the tutorial. Its worker needs no image library."""

from __future__ import annotations

from flowy import ActivityProxy, Workflow, workflow


@workflow("imagecateg", 1, "image_processing", execution_start_to_close=3600)
class ImageCategorization(Workflow):
    """Shrink a photograph and file it under its predominant colour."""

    resize = ActivityProxy("resize", 1)
    predominant_color = ActivityProxy("predominantcolor", 1)
    rename = ActivityProxy("renameimage", 1)

    def run(self, source: str, size: int = 128, results: str | None = None) -> str:
        """Resize and classify at the same time, then file the small picture.

        Args:
            source: an http or https URL, or a path, of a photograph that the workers can read.
            size: the longest side of the small picture, in pixels.
            results: a local folder or ``s3://bucket/prefix``; by default the one in the workers'
                environment.

        Returns:
            The location of the small picture, such as ``/home/me/flowy-images/blue/lake-0d7….jpg``.
        """
        small = self.resize(source, size, results)
        color = self.predominant_color(source)
        filed: str = self.rename(small, color).result()
        return filed
