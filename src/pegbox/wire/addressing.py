"""Whom a request was meant for: Host on every request, Origin and Sec-Fetch-Site where a browser sends them.

A page of a foreign site can make the owner's browser send requests to loopback, and DNS rebinding can even make them look
like the site's own. Its requests then carry the foreign name in Host, or in Origin.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

#: Names of this machine's loopback.
LOOPBACK_NAMES = frozenset({"127.0.0.1", "localhost", "[::1]"})


def host_name(authority: str) -> str | None:
    """Return the name in ``name``, ``name:port`` or ``[v6]:port``, in lower case without a final dot; None if it is none."""
    text = authority.strip().lower()
    if text.startswith("["):
        name, bracket, rest = text.partition("]")
        name += bracket
    else:
        name, colon, digits = text.partition(":")
        rest = colon + digits
    if rest and not (rest[0] == ":" and rest[1:].isdigit()):
        return None
    return name.rstrip(".") or None


def foreign(headers: Iterable[tuple[str, str]], allowed: Collection[str]) -> str | None:
    """Return why a request is not meant for a server, or None where it is.

    Args:
        headers: Names in lower case with their values.
        allowed: Names that Host may carry, in lower case without a final dot.
    """
    hosts = []
    origins = []
    elsewhere = False
    for name, value in headers:
        if name == "host":
            hosts.append(value)
        elif name == "origin":
            origins.append(value)
        elif name == "sec-fetch-site":
            elsewhere = elsewhere or value not in ("same-origin", "none")
    if len(hosts) != 1:
        return "The request must carry exactly one Host header."
    if host_name(hosts[0]) not in allowed:
        return (
            f"The Host header {hosts[0][:100]!r} is not a name of this server; use its loopback address, "
            "or add the name to the setting allowed_hosts."
        )
    for origin in origins:
        if not _same_origin(origin, hosts[0]):
            return f"Requests from the web page origin {origin[:100]!r} are refused."
    return "Requests from other web pages are refused." if elsewhere else None


def _same_origin(origin: str, host: str) -> bool:
    scheme, separator, authority = origin.lower().partition("://")
    return bool(separator) and scheme in ("http", "https") and authority == host.strip().lower()
