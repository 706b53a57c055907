"""Whose fault a failed training is."""

from __future__ import annotations


class CustomerError(Exception):
    """Data or hyperparameters are wrong; the message says which and what to do. Reported as ``ClientError``."""


class MissingLibrary(CustomerError):
    """A library that the algorithm needs is not installed.

    Args:
        package: The package.
        extra: The extra of Pegbox that brings it.
    """

    def __init__(self, package: str, extra: str = "algorithms") -> None:
        super().__init__(f"{package} is not installed where the program runs: pip install 'pegbox[{extra}]'")
