"""The process that answers invocations of endpoints: routes them to model servers, captures data, counts.

It has a port of its own, verifies signatures itself, and goes on with its last routing snapshot while the server is away. No
decision about endpoints is taken here, and no model is ever loaded. May import ``wire``, ``domain`` and ``errors``; everything
else it learns from its arguments and from files in the home.
"""
