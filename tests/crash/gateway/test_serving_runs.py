"""Short runs of the long checks of serving; ``make chaos-serving`` and ``make bad-payloads`` run them in full."""

from __future__ import annotations

import pytest

from pegbox.testing import bad_payloads, chaos_serving


@pytest.mark.parametrize(("victims", "seed"), [(("server", "model", "agent"), 7)])
def test_kills_under_load_lose_nothing(victims: tuple[str, ...], seed: int) -> None:
    """Six kills of server, model servers and agents under load: every request has its right answer, nothing is left over."""
    verdict = chaos_serving.run(6, seed, victims, clients=4, rate=40.0)
    assert not verdict.failed, verdict.summary()
    assert not verdict.errors, verdict.summary()
    assert verdict.answered > 50


def test_bad_payloads_are_refused() -> None:
    """Some hundred bad payloads, headers and signatures: only 4xx and ModelErrors, and the same processes serve afterwards."""
    verdict = bad_payloads.run(400, 11)
    assert verdict.faults == [], verdict.summary()
    assert verdict.answers["424 ModelError"] > 100
