"""What ``flowy-sim run`` shows without arguments: the tutorial's workflow on a bad day.

The photograph is really shrunk and filed. How long that takes is simulated, and so is the disk that
is full at first.
"""

from __future__ import annotations

from flowy import ActivityProxy, Retry, workflow
from flowy.tutorial import SAMPLE, ImageCategorization, ImageError
from flowy_sim._cli.targets import Target, imported, tutorial_installed
from flowy_sim._simulation.stubs import Stubs


@workflow("imagecateg", "showcase", "image_processing", execution_start_to_close=3600)
class PatientCategorization(ImageCategorization):
    """The tutorial's workflow, which also tries again to shrink a photograph."""

    resize = ActivityProxy("resize", 1, retry=Retry(attempts=3, delay=30))


def showcase() -> Target:
    """Return the workflow, with stubs that take simulated time to do the work of its activities.

    Raises:
        click.ClickException: what the tutorial needs is not installed.
    """
    with tutorial_installed():
        imported("flowy.tutorial")
    from flowy.tutorial.activities import PredominantColor, RenameImage, Resize

    stubs = Stubs()
    stubs(Resize, error=ImageError("the disk is full"), takes=15).then(
        function=Resize().run, takes=45
    )
    stubs(PredominantColor, function=PredominantColor().run, takes=70)
    stubs(RenameImage, function=RenameImage().run, takes=5)
    activities = (Resize, PredominantColor, RenameImage)
    return Target(
        PatientCategorization, [str(SAMPLE)], activities, (), is_tutorial=True, stubs=stubs
    )
