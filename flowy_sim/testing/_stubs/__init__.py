"""Stubs: what stands in for activities, child workflows and Lambda functions in a test.

Example:
    An activity that fails twice and then has a result, each time after 40 simulated seconds::

        stubs = Stubs()
        stubs(Resize, error=OSError("disk full"), takes=40).then(
            error=OSError("disk full"), takes=40
        ).then(result="small.jpg", takes=40)
        Runner(simulation, stubs=stubs).run(ImageCategorization, "photo.jpg")
"""

from flowy_sim.testing._stubs.stub import NameAndVersion, Stub, UnexpectedCallError
from flowy_sim.testing._stubs.stubs import Stubs

__all__ = ["NameAndVersion", "Stub", "Stubs", "UnexpectedCallError"]
