"""Protocols only: what the engine needs from the store, executors, artifacts, suggesters and the clock.

Each port has a contract suite in ``pegbox.testing`` that every implementation, fakes included, must pass.
"""
