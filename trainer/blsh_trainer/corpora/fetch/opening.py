# SPDX-License-Identifier: Apache-2.0
"""Open URLs with two time limits: a short one for the connection, a longer one for each answer."""

import http.client
from http.client import HTTPResponse
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, Request, build_opener

CONNECT_S = 10.0


def opener() -> OpenerDirector:
    """Return what opens a request, as urllib's urlopen: redirections and proxies of the environment are followed.

    Its timeout is for each read. A connection has CONNECT_S seconds at most, for each address of the host.
    """
    return build_opener(_OpenHttp, _OpenHttps)


class _Http(http.client.HTTPConnection):
    def connect(self) -> None:
        _connect_soon(self, super().connect)


class _Https(http.client.HTTPSConnection):
    def connect(self) -> None:
        _connect_soon(self, super().connect)


def _connect_soon(connection: Any, connect: Any) -> None:
    """Call `connect` with the shorter time limit, and give `connection` its own back."""
    limit = connection.timeout
    connection.timeout = min(CONNECT_S, limit)
    connect()
    connection.timeout = limit
    connection.sock.settimeout(limit)


class _OpenHttp(HTTPHandler):
    def http_open(self, request: Request) -> HTTPResponse:
        return self.do_open(_Http, request)


class _OpenHttps(HTTPSHandler):
    def https_open(self, request: Request) -> HTTPResponse:
        return self.do_open(_Https, request)
