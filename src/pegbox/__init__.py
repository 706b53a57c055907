"""Pegbox: Amazon SageMaker's automatic model tuning, on your own machines, and better."""

__version__ = "0.1.0"
