"""What tests and users need to try Pegbox hard: contract suites, a simulation, chaos and attack programs, fakes of time.

Sits at the top: it may import everything. Nothing of the product imports it.
"""
