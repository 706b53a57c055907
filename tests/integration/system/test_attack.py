"""The attacks of ``make attack``, a few thousand of each."""

from __future__ import annotations

from pegbox.testing.attack import run


def test_attacks_bounce() -> None:
    """Nothing forged is accepted, no call meets a fault, no foreign page passes, no other user reaches a file."""
    verdict = run(2_000, 2_000, seed=7)
    assert verdict.faults == [], verdict.summary()
    assert (verdict.forged, verdict.calls) == (2_000, 2_000)
    assert verdict.statuses[200] > 50
    assert verdict.statuses[400] > 500
    assert verdict.pages > 1_000
    assert verdict.files > 20
