"""Page tokens: bound to their request, proof against change."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from pegbox.errors import ValidationException
from pegbox.wire import PageTokens

TOKENS = PageTokens(b"k" * 32)
WHEN = datetime(2026, 1, 1, tzinfo=timezone.utc)


def test_a_position_returns_whatever_the_page_size() -> None:
    """The next page may be of another size, and carries the token itself."""
    token = TOKENS.encode("List", {"SortBy": "Name", "CreationTimeAfter": WHEN}, ["name", 1.5, None, True])
    params = {"SortBy": "Name", "CreationTimeAfter": WHEN, "NextToken": token, "MaxResults": 3}
    assert TOKENS.decode("List", params, token) == ["name", 1.5, None, True]


@pytest.mark.parametrize(
    ("operation", "params"),
    [
        ("Other", {"SortBy": "Name"}),
        ("List", {"SortBy": "Status"}),
        ("List", {}),
        ("List", {"SortBy": "Name", "A": 1}),
    ],
)
def test_a_token_belongs_to_its_operation_and_filters(operation: str, params: dict[str, object]) -> None:
    """A token used with another operation, filter or sorting is refused."""
    token = TOKENS.encode("List", {"SortBy": "Name"}, ["a"])
    with pytest.raises(ValidationException, match="page token"):
        TOKENS.decode(operation, params, token)


def test_a_token_of_another_key_is_refused() -> None:
    """Tokens of another home mean nothing here."""
    token = PageTokens(b"x" * 32).encode("List", {}, ["a"])
    with pytest.raises(ValidationException):
        TOKENS.decode("List", {}, token)


@pytest.mark.parametrize("token", ["", "a", "====", "é", "a b", "A" * 22, "\n", "-" * 8192])
def test_rubbish_is_refused(token: str) -> None:
    """No text that was not made here is a token."""
    with pytest.raises(ValidationException):
        TOKENS.decode("List", {}, token)


def test_a_short_key_is_refused() -> None:
    """A key that could be guessed is a mistake of the caller."""
    with pytest.raises(ValueError, match="16 bytes"):
        PageTokens(b"short")
