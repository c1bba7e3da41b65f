"""Is a request one that the service would accept at all, whatever it holds?

`checked` asks in the service's order: do the values have the right types, do they keep the
constraints of the service model, do the members fit each other?
"""

from flowy_sim._engine.validation.requests import checked

__all__ = ["checked"]
