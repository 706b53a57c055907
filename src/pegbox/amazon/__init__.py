"""Estimators of Amazon's built-in algorithms: checked hyperparameters, and record sets made from arrays.

The programs themselves are ``pegbox.algorithms``; nothing here imports them.
"""
