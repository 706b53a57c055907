"""Loaded by every client process of these tests: no connection leaves this machine.

What was tried is written to the file that ``GUARD_LOG`` names, and refused.
"""

import ipaddress
import os
import socket

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


def _is_here(host):
    if host in (None, "", b"", "localhost", b"localhost"):
        return True
    try:
        return ipaddress.ip_address(host.decode() if isinstance(host, bytes) else host).is_loopback
    except ValueError:
        return False


def _check(host):
    if not _is_here(host):
        with open(os.environ["GUARD_LOG"], "a") as log:
            log.write(f"{host}\n")
        raise OSError(f"the tests refuse a connection to {host}")


def _guarded_connect(self, address):
    if self.family != socket.AF_UNIX:
        _check(address[0])
    return _connect(self, address)


def _guarded_connect_ex(self, address):
    if self.family != socket.AF_UNIX:
        _check(address[0])
    return _connect_ex(self, address)


def _guarded_getaddrinfo(host, *args, **kwargs):
    _check(host)
    return _getaddrinfo(host, *args, **kwargs)


socket.socket.connect = _guarded_connect
socket.socket.connect_ex = _guarded_connect_ex
socket.getaddrinfo = _guarded_getaddrinfo
