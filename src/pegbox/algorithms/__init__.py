"""Built-in training programs over well-kept libraries; imports nothing else of Pegbox.

Nothing is here yet: built-in algorithm images are refused with a clear error until they exist.
"""
