"""Page tokens between the engine's queries and the clients."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from pegbox.wire import PageTokens

#: What answers an operation: parameters in, members of the output out.
Handler = Callable[[Mapping[str, Any]], Mapping[str, Any] | None]
#: A query that pages: parameters and where the last page ended in, a page and where it ends out.
PagedQuery = Callable[[Mapping[str, Any], Any], tuple[dict[str, Any], Any]]


class Pages:
    """Makes handlers of queries that page.

    Args:
        tokens: Signs where a page ended, bound to the operation and its filters.
    """

    def __init__(self, tokens: PageTokens) -> None:
        self._tokens = tokens

    def handler(self, operation: str, query: PagedQuery, member: str = "NextToken") -> Handler:
        """Return a handler that reads and writes page tokens.

        Args:
            operation: Name of the operation.
            query: What fetches a page.
            member: Name of the token in request and answer.
        """

        def handle(params: Mapping[str, Any]) -> Mapping[str, Any]:
            token = params.get(member)
            after = None
            if token is not None:
                after = json.loads(str(self._tokens.decode(operation, params, token)[0]))
            result, following = query({key: value for key, value in params.items() if key != member}, after)
            if following is not None:
                result = {
                    **result,
                    member: self._tokens.encode(operation, params, [json.dumps(following)]),
                }
            return result

        return handle
