"""The process that routes requests to model servers (endpoints), health checks and data capture.

Nothing is here yet: endpoints answer with a clear error until they exist. May import ``wire``, ``domain`` and ``errors``.
"""
