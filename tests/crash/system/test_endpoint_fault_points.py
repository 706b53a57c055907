"""The server kills itself between two instructions while endpoints come, change and go."""

from __future__ import annotations

import contextlib
import io
import signal
import sys
import tarfile
import time
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError, ClientError

from pegbox.engine.faultpoints import POINTS, VARIABLE
from pegbox.testing.lab import BUCKET, IMAGE, Lab

SCRIPT = """
def model_fn(folder):
    return 1
def transform_fn(model, body, content_type, accept):
    return "done", "text/plain"
"""
#: A point of publishing belongs to training; the others are passed by endpoints, some of them twice.
CASES = [
    *(f"{label}:1" for label in POINTS if "publish" not in label),
    *(
        f"{label}:2"
        for label in ("before-commit", "after-commit", "before-routes", "after-routes", "after-launch")
    ),
]
LOST = (ClientError, BotoCoreError)


class Owner:
    """Creates, updates and deletes endpoints, and knows what was acknowledged."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        code = lab.upload_code(SCRIPT, "inference.py")
        folder = lab.home / "buckets" / BUCKET / "m"
        folder.mkdir(mode=0o700)
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz"):
            pass
        (folder / "model.tar.gz").write_bytes(packed.getvalue())
        environment = {"SAGEMAKER_SUBMIT_DIRECTORY": code, "PEGBOX_PYTHON": sys.executable}
        self._container = {
            "Image": IMAGE,
            "ModelDataUrl": f"s3://{BUCKET}/m/model.tar.gz",
            "Environment": environment,
        }
        self._number = 0
        self.created: set[str] = set()
        self.deleting: set[str] = set()

    def prepare(self) -> None:
        """Create the model and two configurations."""
        client = self._lab.client()
        client.create_model(ModelName="m", PrimaryContainer=self._container)
        for name, count in (("one", 1), ("two", 2)):
            variant = {"VariantName": "a", "ModelName": "m", "InitialInstanceCount": count}
            client.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant])

    def act(self) -> None:
        """Create an endpoint, bring others to another configuration, delete the oldest."""
        client = self._lab.client()
        self._number += 1
        name = f"e{self._number}"
        with contextlib.suppress(*LOST):
            client.create_endpoint(EndpointName=name, EndpointConfigName="one")
            self.created.add(name)
        for known in sorted(self.created - self.deleting):
            with contextlib.suppress(*LOST):
                client.update_endpoint(
                    EndpointName=known, EndpointConfigName="two" if known != name else "one"
                )
        if len(self.created - self.deleting) > 2:
            oldest = min(self.created - self.deleting, key=lambda item: int(item[1:]))
            self.deleting.add(oldest)
            with contextlib.suppress(*LOST):
                client.delete_endpoint(EndpointName=oldest)

    def statuses(self) -> dict[str, str]:
        """Return the status of each endpoint."""
        found = self._lab.client().list_endpoints(MaxResults=100)["Endpoints"]
        return {item["EndpointName"]: item["EndpointStatus"] for item in found}


def _wait(condition: Any, seconds: float, told: Any) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, told()
        time.sleep(0.05)


def _die_at(lab: Lab, owner: Owner, point: str) -> None:
    """Start a server that kills itself at a point, and give it work until it does."""
    try:
        lab.launch(**{VARIABLE: point})
    except RuntimeError as death:
        if f"ended with {-signal.SIGKILL}" in str(death):
            return
        raise
    assert lab.process is not None
    for _ in range(40):
        with contextlib.suppress(*LOST):
            owner.act()
        deadline = time.monotonic() + 1.5
        while time.monotonic() < deadline:
            status = lab.process.poll()
            if status is not None:
                assert status == -signal.SIGKILL
                return
            time.sleep(0.02)
    pytest.fail(f"the point {point} was never passed")


def test_killed_at_every_point_with_endpoints() -> None:
    """What was acknowledged is there in the end, in service; what was deleted is gone, and no process of it is left."""
    with Lab() as lab:
        lab.launch()
        owner = Owner(lab)
        owner.prepare()
        owner.act()
        lab.kill_server()
        for point in CASES:
            _die_at(lab, owner, point)
        lab.launch()
        # How many servers could acknowledge something before they died depends on the machine; this one surely does.
        for _ in range(2):
            owner.act()
        wanted = owner.created - owner.deleting
        resting = {"InService"}
        _wait(
            lambda: wanted <= owner.statuses().keys() and set(owner.statuses().values()) <= resting,
            200,
            owner.statuses,
        )
        client = lab.client()
        for name in owner.statuses():
            client.delete_endpoint(EndpointName=name)
        _wait(lambda: not owner.statuses(), 200, owner.statuses)
        _wait(lambda: not lab.programs(), 200, lab.programs)
        assert len(owner.created) >= 3
