"""Checks the ports of the local cloud's processes."""

import socket

import httpx

from local.settings import HOST


def listening(port: int) -> bool:
    """True if a process listens at the port."""
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def answering(url: str) -> bool:
    """True if the URL responds with 200."""
    try:
        return httpx.get(url, timeout=2).status_code == 200
    except httpx.HTTPError:
        return False
