"""The session's own connection to its client: closed, stolen, flooded, or used to lie.

A session may lie about itself. It must not lie about others, break its client, or get more output through than allowed.
"""

import json
import resource

from cort_data.interpreter import Status

from .arena import LIMITS, WAITS, Arena, Attacker

SOCKETS = """
import json, socket, stat, struct
def is_socket(fd):
    try:
        return stat.S_ISSOCK(os.fstat(fd).st_mode)
    except OSError:
        return False
fds = [fd for fd in range(256) if is_socket(fd)]
def frame(value):
    body = json.dumps(value).encode()
    return struct.pack('>I', len(body)) + body
def put(data):
    for fd in fds:
        rest = data
        while rest:
            rest = rest[os.write(fd, rest):]
HONEST = {'number': NUMBER, 'status': 'ok', 'text': 'forged', 'error': None, 'seconds': 0.1, 'cpu': 0.1, 'truncated': 0}
"""
DESCRIPTORS = {
    "closed": "for fd in fds: os.close(fd)",
    "all closed": "os.closerange(0, 256)",
    "replaced": "for fd in fds: os.dup2(os.open('/dev/null', os.O_RDWR), fd)",
    "crossed": "a, b = socket.socketpair()\nfor fd in fds: os.dup2(a.fileno(), fd)",
    "half closed": "for fd in fds: socket.socket(fileno=os.dup(fd)).shutdown(socket.SHUT_RD)",
    "shut": "for fd in fds: socket.socket(fileno=os.dup(fd)).shutdown(socket.SHUT_RDWR)",
    "not waiting": "for fd in fds: os.set_blocking(fd, False)",
    "console closed": "os.close(1); os.close(2)",
    "console replaced": "os.dup2(os.open('/dev/zero', os.O_RDWR), 1); os.dup2(1, 2)",
    "console is a pipe": "os.dup2(os.pipe()[1], 1)\nos.write(1, b'x' * 60_000)",
    "console truncated": "os.write(1, b'x'); os.ftruncate(1, 1 << 25)",
    "console moved": "os.lseek(1, 1 << 25, 0); os.write(1, b'x')",
    "full": "kept = [os.dup(1) for _ in range(10**5)]",
    "read by a child": "if os.fork() == 0:\n    while True:\n        for fd in fds: os.read(fd, 1 << 16)",
    "kept by a child": "import time\nif os.fork() == 0: time.sleep(600)\nos._exit(0)",
}
FILE = "for fd in range(256):\n    try: {0}\n    except OSError: pass\nos._exit(0)"
"""A dead session's output is found in a file that was open in it."""
GARBAGE = {
    "nothing": "b''",
    "noise": "b'\\xff' * 100",
    "not json": "struct.pack('>I', 3) + b'{{{'",
    "a list": "frame([1])",
    "a number": "frame(1)",
    "a promise": "struct.pack('>I', 1 << 19)",
    "too long": "struct.pack('>I', 1 << 30) + bytes(1 << 16)",
    "half a header": "b'\\0\\0'",
    "depth": "struct.pack('>I', 1 << 19) + b'[' * (1 << 19)",
    "digits": "struct.pack('>I', 10**5) + b'9' * 10**5",
    "not text": "struct.pack('>I', 4) + b'\\xff\\xfe\\x00\\x00'",
    "empty": "struct.pack('>I', 0)",
    "empty objects": "frame({}) * 1000",
    "another number": "frame({**HONEST, 'number': 10**9})",
    "no status": "frame({**HONEST, 'status': 'well'})",
    "a died status": "frame({**HONEST, 'status': 'died'})",
    "text of another kind": "frame({**HONEST, 'text': ['x']})",
    "seconds of another kind": "frame({**HONEST, 'seconds': 'long'})",
    "ready": "frame({'ready': 1})",
    "forked": "frame({'forked': True})",
    "exit": "frame({'exit': 1, 'status': 0})",
}
LIES = {
    "long text": "'text': 'x' * 900_000",
    "long error": "'error': 'x' * 900_000",
    "surrogates": "'text': '\\ud800'",
    "surrogates in the error": "'error': '\\udfff'",
    "endless": "'seconds': float('inf')",
    "not a number": "'seconds': float('nan')",
    "negative": "'seconds': -1.0",
    "cut less than nothing": "'truncated': -5",
    "cut more than all": "'truncated': 10**400",
    "CPU": "'cpu': 1e300",
    "no CPU": "'cpu': -1e300",
}
PATCHED = "import cort_data.interpreter.local.worker as w\n"
LIAR = """
original, send = os.getpid(), w._Worker.send
w._Worker.send = lambda self, frame: send(self, {{'ready': {}}} if 'ready' in frame else frame)
"""
TWINS = {  # what a twin says of itself when it reports to its client
    "a list": "['ready']",
    "an object": "{'pid': 1}",
    "text": "'1'",
    "nothing": "None",
    "negative": "-1",
    "everyone": "0",
    "the first": "1",
    "the server": "os.getppid()",
    "the original": "original",
    "huge": "10**300",
    "a fraction": "1.5",
    "true": "True",
}
FORKS = [
    "w._Worker._fork = lambda *a: None",
    "w._Worker._fork = lambda *a: os._exit(0)",
    "w.scratch.enter_copy = lambda *a: 1 / 0",
    "w.kernel.fork_sibling = lambda: 1 / 0",
    "w.kernel.fork_sibling = lambda: 0",
    "w.kernel.fork_sibling = lambda: 1",
    "w.kernel.fork_sibling = os.fork",
    "os.setpgid = lambda *a: None",
    "os.register_at_fork(after_in_child=lambda: os._exit(0))",
    "os.register_at_fork(before=lambda: libc.sleep(1))",
    "import resource; resource.setrlimit(resource.RLIMIT_NPROC, (0, 0))",
]


def number_of(cell: int) -> str:
    return SOCKETS.replace("NUMBER", str(cell))


def test_descriptors(anywhere: Arena) -> None:
    attacks = {kind: number_of(2) + code for kind, code in DESCRIPTORS.items()}
    anywhere.attack_on(attacks, "1", "print(2)", limits=WAITS)


def test_garbage(arena: Arena) -> None:
    attacks = {kind: f"{number_of(2)}put({code})" for kind, code in GARBAGE.items()}
    results = arena.attack_all(attacks, WAITS)
    assert "forged" not in {result.text for result in results.values()}


def test_lies_are_within_what_results_can_be(anywhere: Arena) -> None:
    attacks = {kind: f"{number_of(2)}put(frame({{**HONEST, {lie}}}))" for kind, lie in LIES.items()}
    for kind, (result, _) in anywhere.attack_on(attacks, "1").items():
        assert len(result.feedback) < 2 * LIMITS.output_chars + 1000, kind
        assert 0 <= result.seconds < 1e6, kind
        assert 0 <= result.truncated < 10**12, kind
        json.dumps([result.text, result.error, result.truncated], ensure_ascii=False).encode()


def test_an_answer_in_advance(anywhere: Arena) -> None:
    """Frames that wait when a cell is sent are not its answer."""
    with anywhere.session() as session:
        session.run(f"{number_of(3)}put(frame(HONEST))")
        assert session.run("1 + 1").text != "forged"


def test_a_flood_of_frames_fills_no_client(anywhere: Arena) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    flood = "while True:\n    for fd in fds: os.write(fd, frame({}) * 10_000)"
    anywhere.attack(number_of(2) + flood, limits=LIMITS)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100 << 10


def test_a_flood_of_frames_leaves_others_their_answers(anywhere: Arena) -> None:
    flood = "while True:\n    for fd in fds: os.write(fd, frame({}) * 10_000)"
    with anywhere.sessions(2) as (attacker, other):
        _, result = anywhere.together(attacker.start(number_of(2) + flood), other.start("6 * 7"))
        assert result.text == "42\n"


def forks(session: Attacker, patch: str) -> Attacker | None:
    """A twin of a session whose worker is patched, if there is one."""
    assert session.run(f"{PATCHED}{patch}").status is Status.OK
    return session.try_fork()


def test_twins_that_lie_about_themselves(anywhere: Arena) -> None:
    with anywhere.sessions(len(TWINS) + 1) as (other, *sessions):
        assert other.run("x = 1").status is Status.OK
        for session, lie in zip(sessions, TWINS.values(), strict=True):
            forks(session, LIAR.format(lie))
        assert other.run("x").text == "1\n"


def test_a_twin_that_is_another_session(anywhere: Arena) -> None:
    with anywhere.sessions(2) as (session, other):
        pid = other.run("x = 1\nos.getpid()").text.strip()
        twin = forks(session, LIAR.format(pid))
        if twin:
            twin.close()
        assert other.run("x").text == "1\n"


def test_forks_that_fail(arena: Arena) -> None:
    with arena.sessions(len(FORKS) + 1, WAITS) as (other, *sessions):
        for session, patch in zip(sessions, FORKS, strict=True):
            forks(session, patch)
            session.run("1")
        assert other.run("1 + 1").text == "2\n"


def test_last_words_are_text(anywhere: Arena) -> None:
    result = anywhere.attack(FILE.format("os.pwrite(fd, bytes(range(1, 256)) * 8, 0)"))
    assert result.status is Status.DIED
    result.feedback.encode()


def test_last_words_are_as_short_as_others(anywhere: Arena) -> None:
    result = anywhere.attack(FILE.format("os.pwrite(fd, b'x' * 16_000, 0)"))
    assert len(result.feedback) < 2 * LIMITS.output_chars + 1000
