"""No session reaches anything over a network or a socket; listeners that the tests run must hear nothing."""

from .arena import Arena

SOCKETS = [
    "import socket; socket.create_connection(TCP, 1)",
    "import socket; socket.socket().connect(TCP)",
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', UDP)",
    "import socket; socket.socket(socket.AF_INET6)",
    "import socket; socket.socket(socket.AF_UNIX).connect(UNIX)",
    "import socket; socket.socket(socket.AF_UNIX).connect(ABSTRACT)",
    "import socket; socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', UNIX_DATAGRAMS)",
    "import socket; socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)",
    "import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)",
    "import socket; socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "import socket; socket.socket(socket.AF_VSOCK)",
    "import socket; socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)",
    "import socket; socket.create_server(('127.0.0.1', 0))",
    "import socket; socket.if_nameindex()",
    "import urllib.request; urllib.request.urlopen('http://169.254.169.254/latest/meta-data/', timeout=1)",
    "import urllib.request; urllib.request.urlopen(f'http://{TCP[0]}:{TCP[1]}/', timeout=1)",
    "import http.client; http.client.HTTPConnection(*TCP, timeout=1).request('GET', '/')",
    "import asyncio; asyncio.run(asyncio.open_connection(*TCP))",
    "open('/dev/tcp/127.0.0.1/80')",
]
DATAGRAM_PAIR = """
import socket
pair = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
"""
"""Pairs are allowed; a datagram may name any address, whatever its socket was connected to."""
PAIRS = [
    "pair[0].sendto(b'x', ABSTRACT_DATAGRAMS)",
    "pair[0].connect(ABSTRACT_DATAGRAMS)",
    "pair[0].sendmsg([b'x'], [], 0, ABSTRACT_DATAGRAMS)",
]
PATHS = [code.replace("ABSTRACT", "UNIX") for code in PAIRS]
STREAM_PAIR = [
    "import socket; socket.socketpair()[0].connect(UNIX)",
    "import socket; socket.socketpair()[0].connect(ABSTRACT)",
    "import socket; socket.socketpair(socket.AF_INET)",
]
OWN_SOCKETS = """
import socket, stat
found = [fd for fd in range(256) if os.path.exists('/') and _is_socket(fd)]
for fd in found:
    try:
        socket.socket(fileno=os.dup(fd)).{0}
    except OSError:
        pass
"""
IS_SOCKET = """
import os, stat
def _is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False
"""
REACHES = ["connect(ABSTRACT)", "connect(UNIX)", "listen()", "bind('here')"]


def test_sockets(arena: Arena) -> None:
    assert arena.allowed(*SOCKETS) == {}


def test_connected_pairs_of_sockets(arena: Arena) -> None:
    assert arena.allowed(*STREAM_PAIR) == {}


def test_a_pair_reaches_no_abstract_address(arena: Arena) -> None:
    assert arena.allowed(*(DATAGRAM_PAIR + code for code in PAIRS)) == {}


def test_a_pair_reaches_no_path(arena: Arena) -> None:
    assert arena.allowed(*(DATAGRAM_PAIR + code for code in PATHS)) == {}


def test_the_session_s_own_socket_leads_nowhere_else(arena: Arena) -> None:
    reaches = {reach: IS_SOCKET + OWN_SOCKETS.format(reach) for reach in REACHES}
    arena.attack_on(reaches, "1 + 1")


def test_names_are_not_looked_up(arena: Arena) -> None:
    result = arena.attack("import socket; socket.getaddrinfo('cort-canary.invalid', 80)")
    assert str(result.error).splitlines()[-1].startswith("socket.gaierror")
