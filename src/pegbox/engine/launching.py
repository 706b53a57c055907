"""Launches: from a committed row to an order for the executor."""

from __future__ import annotations

from pegbox.engine.active import ActiveTraining, Picture
from pegbox.engine.effects import LaunchAttempt
from pegbox.engine.orders import build_order
from pegbox.engine.parts import Parts, Work


def launch(
    parts: Parts, picture: Picture, work: Work, active: ActiveTraining, *, resume: bool = False
) -> None:
    """Start an attempt after the commit of the step that wrote its row."""
    order = build_order(parts, picture.images, active.job, active.attempt, active.rules, work.now)
    work.effects.append(LaunchAttempt(order, resume))
