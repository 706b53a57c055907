"""Where inputs lie and outputs go: ``s3://`` addresses of the server's own buckets, ``file://`` addresses and plain paths.

Bytes of a published address are written once and never changed. Nothing here knows about jobs.
"""

from pegbox.artifacts.local import LocalArtifacts

__all__ = ["LocalArtifacts"]
