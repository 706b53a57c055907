"""Where inputs lie and outputs go: ``s3://`` addresses of the server's own buckets, ``file://`` addresses and plain paths.

Bytes of a published address are written once and never changed. Inputs may also lie at another S3 endpoint; they are fetched into
a cache. Nothing here knows about jobs.
"""

from pegbox.artifacts.foreign import ForeignBuckets
from pegbox.artifacts.local import LocalArtifacts

__all__ = ["ForeignBuckets", "LocalArtifacts"]
