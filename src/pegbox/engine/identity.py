"""Ids that are derived, not stored: attempt ids, tokens and the marks in trial names."""

from __future__ import annotations

import hashlib
import hmac

from pegbox.domain.records import TuningJob


def attempt_id(secret: bytes, training_job_id: int, number: int) -> str:
    """Return the id of an attempt: 32 hex digits that nobody without the secret can guess."""
    return _keyed(secret, f"attempt:{training_job_id}:{number}")[:32]


def instance_attempt_id(secret: bytes, instance_id: int) -> str:
    """Return the attempt id of an endpoint's instance, like that of an attempt of a training job."""
    return _keyed(secret, f"instance:{instance_id}")[:32]


def attempt_token(secret: bytes, attempt: str) -> str:
    """Return the token that fences reports of an attempt: 64 hex digits."""
    return _keyed(secret, f"token:{attempt}")


def same_token(secret: bytes, attempt: str, token: str) -> bool:
    """Compare a token with the attempt's own, in constant time."""
    return hmac.compare_digest(attempt_token(secret, attempt).encode(), token.encode("utf-8", "replace"))


def trial_mark(job: TuningJob, number: int, salt: int = 0) -> str:
    """Return the 8 hex digits in a trial's name; another salt gives others, should a name be taken."""
    text = f"{job.id}:{job.name}:{job.created_at.isoformat()}:{job.seed}:{number}:{salt}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _keyed(secret: bytes, text: str) -> str:
    return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest()
