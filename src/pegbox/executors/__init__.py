"""Where programs run: implementations of ``pegbox.ports.executor.Executor``.

An executor starts agents and passes on what they report. It decides nothing about jobs and never opens the store.
"""
