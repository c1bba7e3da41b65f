"""Stubs: what stands in for activities, child workflows and Lambda functions."""

from flowy_sim.stubs.stubs import NameAndVersion, Stub, Stubs, UnexpectedCallError

__all__ = ["NameAndVersion", "Stub", "Stubs", "UnexpectedCallError"]
