"""The helper process by itself: what happens where it cannot run."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from pegbox.bootstrap import s3
from pegbox.bootstrap.home import Home
from pegbox.bootstrap.s3 import S3Endpoint
from pegbox.errors import HomeError, ServerError


@pytest.fixture
def endpoint(tmp_path: Path) -> S3Endpoint:
    """An endpoint of a home that no server serves."""
    home = Home(tmp_path / "home")
    home.prepare()
    return S3Endpoint(home, home.make_credentials("us-east-1"), host="127.0.0.1", port=0)


def test_a_helper_that_does_not_start(
    endpoint: S3Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error shows what the helper said, nothing is offered, and a later try may succeed."""
    broken = tmp_path / "rclone"
    broken.write_text("#!/bin/sh\necho no such option >&2\nexit 2\n")
    broken.chmod(0o700)

    async def check() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(s3, "find_helper", lambda: str(broken))
            with pytest.raises(ServerError, match="no such option"):
                await endpoint.start()
        assert endpoint.url is None
        url = await endpoint.start()
        assert await endpoint.start() == url
        await endpoint.close()
        assert endpoint.url is None

    asyncio.run(check())


def test_a_port_that_a_stranger_has(endpoint: S3Endpoint, tmp_path: Path) -> None:
    """The endpoint does not move to another port silently; the error names the file that remembers the port."""
    stranger = Home(tmp_path / "home").listen("127.0.0.1", 0, file_name="s3-port")
    stranger.listen()
    with stranger, pytest.raises(HomeError, match="s3-port"):
        asyncio.run(endpoint.start())
