"""A gateway with two model servers, shared by a module's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pegbox.testing.gateway_rig import GatewayRig, endpoint, variant


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayRig]:
    """A running gateway with endpoints ``one`` (Unix socket), ``two`` (two variants, one over TCP), ``new`` (not ready)."""
    rig = GatewayRig(tmp_path_factory.mktemp("gateway") / "home")
    first, second = rig.model(), rig.model(tcp=True)
    rig.publish(
        {
            "one": endpoint(first, number=1, first=1),
            "two": endpoint(
                number=2,
                variants=[
                    variant("a", first, first=11, weight=3.0),
                    variant("b", second, first=12, weight=1.0),
                ],
            ),
            "new": endpoint(number=3, status="Creating"),
            "small": endpoint(first, number=4, first=41, max_payload_bytes=1000),
            "short": endpoint(first, number=5, first=51, timeout_seconds=2.0),
        }
    )
    try:
        rig.start()
        yield rig
    finally:
        rig.close()
