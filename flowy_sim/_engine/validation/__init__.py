"""Validation of requests, as far as it does not depend on what the service holds.

`checked` checks in the service's order: the types of the values, the constraints of the service
model, and the rules between members. A caller in the same process may do so before, with `exact`.
"""

from flowy_sim._engine.validation.requests import CheckedRequest, checked, exact

__all__ = ["CheckedRequest", "checked", "exact"]
