"""What a suggestion process does with a request; loads numpy."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from pegbox.space import Space
from pegbox.strategies import NUMERICS_VERSION, Memory, Observation, ParentHistory, suggest


class Work:
    """Answers requests, keeping the history of a few jobs and fitted values. What is kept never changes an answer.

    Args:
        jobs: How many jobs' histories to keep; the one asked for longest ago is forgotten first.
    """

    def __init__(self, jobs: int) -> None:
        self._limit = jobs
        self._histories: OrderedDict[int, list[Observation]] = OrderedDict()
        self._parents: OrderedDict[int, tuple[ParentHistory, ...]] = OrderedDict()
        self._memory = Memory()

    def answer(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; a fault of the computation becomes one, too.

        ``missing`` in the answer asks for the request again with the whole history.
        """
        try:
            history, parents = self._history(request), self._known_parents(request)
            if history is None or parents is None:
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
                parents=parents,
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

    def _known_parents(self, request: Mapping[str, Any]) -> tuple[ParentHistory, ...] | None:
        job_id, sent = request["job_id"], request["parents"]
        known = self._parents.pop(job_id, None)
        parents = known if sent is None else tuple(ParentHistory.from_json(item) for item in sent)
        if parents is None:
            return None
        self._parents[job_id] = parents
        while len(self._parents) > self._limit:
            self._parents.popitem(last=False)
        return parents
