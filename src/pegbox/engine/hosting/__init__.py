"""Models, endpoint configurations and endpoints.

``machine`` and ``reconcile`` are pure: records, reports and time in, new records and instructions out. The other modules carry
that out in the controller's transaction, answer clients, and read. Nothing in here talks to a model server or to the gateway:
instances are started and stopped through the executor, requests are routed by snapshots that the ``Routes`` port hands over.
"""
