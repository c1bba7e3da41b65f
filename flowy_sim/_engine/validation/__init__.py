"""Validation of requests, as far as it does not depend on what the service holds.

`checked` checks in the service's order: the types of the values, the constraints of the service
model, and the rules between members.
"""

from flowy_sim._engine.validation.requests import checked

__all__ = ["checked"]
