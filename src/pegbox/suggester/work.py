"""What a suggestion process does with a request; loads numpy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pegbox.space import Space
from pegbox.strategies import NUMERICS_VERSION, Memory, Observation, suggest


class Work:
    """Answers requests, keeping the history of a few jobs and fitted values. What is kept never changes an answer.

    Args:
        jobs: How many jobs' histories to keep; the one asked for longest ago is forgotten first.
    """

    def __init__(self, jobs: int) -> None:
        self._limit = jobs
        self._histories: OrderedDict[int, list[Observation]] = OrderedDict()
        self._memory = Memory()

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; a fault of the computation becomes one, too.

        ``missing`` in the answer asks for the request again with the whole history.
        """
        try:
            history = self._history(request)
            if history is None:
                return {"id": request["id"], "missing": True}
            suggestions = suggest(
                request["strategy"],
                Space.from_json(request["space"]),
                history,
                request["pending"],
                request["count"],
                request["seed"],
                maximize=request["maximize"],
                budget=request["budget"],
                memory=self._memory,
            )
        except Exception as error:
            return {"id": request["id"], "fault": f"{type(error).__name__}: {error}"}
        found = [item.to_json() for item in suggestions]
        return {"id": request["id"], "suggestions": found, "numerics": NUMERICS_VERSION}

    def _history(self, request: Mapping[str, Any]) -> list[Observation] | None:
        job_id, keep = request["job_id"], request["keep"]
        history = self._histories.pop(job_id, [])
        if keep > len(history):
            return None
        history = history[:keep] + [Observation.from_json(item) for item in request["tail"]]
        self._histories[job_id] = history
        while len(self._histories) > self._limit:
            self._histories.popitem(last=False)
        return history
