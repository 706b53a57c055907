"""The Gaussian process behind the Bayesian strategy: kernel, fit, posterior, output transforms.

Pure functions of arrays: no I/O, no clock, no random generator. Values are minimised in this room; whoever maximises
turns signs before coming in and after going out. SciPy is loaded on first use, so importing this room is light.
"""
