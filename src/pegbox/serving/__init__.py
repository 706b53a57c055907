"""The model server: a program that loads one model and answers ``/ping`` and ``/invocations`` over a Unix socket.

The user's interpreter runs it from its file (``python .../pegbox/serving/__main__.py``), whether or not Pegbox is installed
there. Therefore: Python 3.8, the standard library only, nothing else of Pegbox (the handlers of the built-in algorithms, which
run in Pegbox's own interpreter, are the exception), and relative imports within the room, because it is loaded under a private
name so that neither the user's ``pegbox`` nor modules of the user's are shadowed. NumPy, pandas and the frameworks are imported
when a request or a model needs them. No pickle is opened anywhere but here, in the process of the model's owner.
"""
