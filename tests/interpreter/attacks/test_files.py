"""Reading what is private, writing outside of the scratch folder, links and devices, the scratch of others."""

import asyncio
import tempfile
from pathlib import Path

import pytest

from cort_data.interpreter import Result, Status, open_interpreter

from .arena import LIMITS, Arena, Attacker, refused
from .outside import CANARY

READS = {
    "home": [
        "open(SECRET).read()",
        "open(f'{HOME}/.ssh/id_rsa').read()",
        "open(f'{HOME}/.netrc').read()",
        "open(f'{HOME}/.aws/credentials').read()",
        "open(f'{HOME}/.cache/huggingface/token').read()",
        "import netrc; netrc.netrc(f'{HOME}/.netrc')",
        "os.listdir(HOME)",
    ],
    "system": [
        "os.listdir('/root')",
        "os.listdir('/home')",
        "os.listdir('../..')",
        "open('/etc/passwd').read()",
        "open('/etc/shadow').read()",
        "os.listdir('/tmp')",
        "os.listdir('/run')",
        "os.listdir('/sys')",
    ],
    "proc": [
        "os.listdir('/proc')",
        "open('/proc/self/environ').read()",
        "open('/proc/1/environ').read()",
        "open(f'/proc/{CANARY_PID}/environ').read()",
        "open(f'/proc/{CANARY_PID}/cmdline').read()",
        "open(f'/proc/{SERVER_PID}/environ').read()",
        "open(f'/proc/{os.getppid() or 1}/environ').read()",
        "open(f'/proc/{os.getppid() or 1}/maps').read()",
        "open('/proc/self/root' + SECRET).read()",
        "open('/proc/self/cwd/../../../../..' + SECRET).read()",
        "open(f'/proc/{CANARY_PID}/root' + SECRET).read()",
    ],
    "links": [
        "open('../' * 40 + SECRET[1:]).read()",
        "os.symlink(SECRET, 'link'); open('link').read()",
        "os.symlink('/', 'root'); open('root' + SECRET).read()",
        "os.link(SECRET, 'hard'); open('hard').read()",
        "os.rename(SECRET, 'moved'); open('moved').read()",
        "import shutil; shutil.copyfile(SECRET, 'copy'); open('copy').read()",
        "fd = os.open('/', os.O_RDONLY); os.open(SECRET[1:], os.O_RDONLY, dir_fd=fd)",
        "fd = os.open('/', os.O_PATH); os.fchdir(fd); open(SECRET[1:]).read()",
        "os.open(SECRET, os.O_PATH); open('/proc/self/fd/' + str(os.open(SECRET, os.O_PATH))).read()",
    ],
}
WRITES = {  # what is Python's own is only opened or given what it has already, so that nothing changes if it is allowed
    "files": [
        "open(SECRET, 'w')",
        "open(SECRET, 'a')",
        "os.truncate(SECRET, 0)",
        "os.unlink(SECRET)",
        "os.rename(SECRET, SECRET + '2')",
    ],
    "new files": [
        "os.mkdir(f'{HOME}/made')",
        "os.symlink('x', f'{HOME}/made')",
        "os.mkfifo(f'{HOME}/made')",
        "open('x', 'w').close(); os.rename('x', f'{HOME}/made')",
        "open('x', 'w').close(); os.link('x', f'{HOME}/made')",
        "open(f'{HOME}/made', 'w')",
        "os.symlink(HOME, 'home'); open('home/made', 'w')",
        "open('../../made', 'x')",
        "open('/tmp/' + 'made-by-an-attack', 'x')",
        "open('/dev/shm/made-by-an-attack', 'x')",
    ],
    "python": [
        "os.open('/tmp', os.O_TMPFILE | os.O_RDWR)",
        "os.open('/', os.O_TMPFILE | os.O_RDWR)",
        "os.open(os.path.dirname(os.__file__), os.O_TMPFILE | os.O_RDWR)",
        "open(os.__file__, 'a')",
        "import site; os.open(site.getsitepackages()[0], os.O_TMPFILE | os.O_RDWR)",
        "import cort_data; open(cort_data.__file__, 'a')",
    ],
    "attributes": [
        "os.chmod(SECRET, 0o777)",
        "os.chown(SECRET, 0, 0)",
        "os.utime(SECRET)",
        "os.setxattr(SECRET, 'user.attack', b'x')",
        "os.chmod(os.__file__, os.stat(os.__file__).st_mode & 0o7777)",
        "os.chown(os.__file__, os.stat(os.__file__).st_uid, os.stat(os.__file__).st_gid)",
        "a = os.stat(os.__file__); os.utime(os.__file__, ns=(a.st_atime_ns, a.st_mtime_ns))",
        "fd = os.open(SECRET, os.O_PATH); os.chmod(f'/proc/self/fd/{fd}', 0o777)",
    ],
}
DEVICES = [
    "os.mknod('disk', 0o60666, os.makedev(254, 0)); open('disk', 'rb').read(1)",
    "os.mknod('memory', 0o20666, os.makedev(1, 1)); open('memory', 'rb').read(1)",
    "os.mknod('null', 0o20666, os.makedev(1, 3)); open('null', 'rb').read(1)",
    "open('/dev/mem', 'rb').read(1)",
    "open('/dev/kmsg', 'rb').read(1)",
    "open('/dev/vda', 'rb').read(1)",
    "open('/dev/ptmx', 'rb+')",
    "open('/dev/tty', 'rb+')",
    "open('/dev/fuse', 'rb+')",
    "open('/dev/kvm', 'rb+')",
    "open('/dev/net/tun', 'rb+')",
    "os.listdir('/dev')",
    "os.openpty()",
    "open('/proc/sys/kernel/hostname', 'a')",
    "open('/proc/self/oom_score_adj', 'a')",
    "open('/proc/self/uid_map', 'a')",
    "open('/proc/sysrq-trigger', 'a')",
    "os.chroot('.')",
]
SWAPS = """
import time
os.mkdir('folder')
open('folder/file', 'w').close()
child = os.fork()
while child == 0:
    try:
        os.rename('folder', 'aside'); os.symlink(HOME, 'folder'); time.sleep(0.0005)
        os.unlink('folder'); os.rename('aside', 'folder')
    except OSError:
        pass
"""
READS_ALL = """
def read_all(folder):
    for root, _, names in os.walk(folder, followlinks=True):
        for name in names:
            yield open(os.path.join(root, name)).read()
list(read_all('.'))
"""
ODD = [
    "for _ in range(1000): os.mkdir('d'); os.chdir('d')",
    "os.mkfifo('pipe')",
    "os.symlink('loop', 'loop'); os.symlink('.', 'here')",
    "open(b'\\xff\\n' + b'x' * 200, 'w').close()",
    "open('sparse', 'w').truncate(60 << 20)",
    "import socket; a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM); a.bind('socket')",
    "for n in range(500): open(str(n), 'w').close()",
    "os.chdir('/')",
    "os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
    "os.chmod('.', 0)",
    "os.rename(os.getcwd(), os.getcwd() + 'x')",
]
SIGHTS = [
    "os.listdir({0!r})",
    "open({0!r} + '/note').read()",
    "open({0!r} + '/note', 'a')",
    "open({0!r} + '/mine', 'w')",
    "os.unlink({0!r} + '/note')",
    "os.rename({0!r} + '/note', 'note')",
    "os.link({0!r} + '/note', 'note')",
    "os.rmdir({0!r})",
    "os.chdir({0!r}); os.listdir()",
    "os.chdir({0!r}); open('note').read()",
    "os.chdir({0!r}); open('mine', 'w')",
]
ATTRIBUTES = ["os.chmod({0!r}, 0)", "os.utime({0!r} + '/note', (0, 0))", "os.chmod({0!r} + '/note', 0o777)"]


@pytest.mark.parametrize("theme", READS)
def test_reading(arena: Arena, theme: str) -> None:
    assert arena.allowed(*READS[theme]) == {}


@pytest.mark.parametrize("theme", WRITES)
def test_writing(arena: Arena, theme: str) -> None:
    assert arena.allowed(*WRITES[theme]) == {}


def test_devices(arena: Arena) -> None:
    assert arena.allowed(*DEVICES) == {}


def test_the_environment(anywhere: Arena) -> None:
    names = ["HOME", "LANG", "MPLBACKEND", "PATH", "TMPDIR"]
    assert anywhere.attack("sorted(os.environ)").text == f"{names}\n"


def test_the_environment_below_python(anywhere: Arena) -> None:
    """What the process was started with stays in its memory, whatever `os.environ` says."""
    code = "libc.getenv.restype = ctypes.c_char_p\nlibc.getenv(b'CORT_CANARY_TOKEN'), libc.getenv(b'USER')"
    assert anywhere.attack(code).text == "(None, None)\n"


def test_no_descriptors_are_inherited(anywhere: Arena) -> None:
    code = "import select\npoll = select.poll()\nfor fd in range(256): poll.register(fd)\n"
    code += "len([fd for fd, event in poll.poll(0) if not event & select.POLLNVAL])"
    assert anywhere.attack(code).text == "6\n"  # null, thrice the console, the transcript, the socket


def test_the_scratch_folder_is_empty_and_writable(anywhere: Arena) -> None:
    for _ in range(2):
        assert (
            anywhere.attack("before = os.listdir(); open('a', 'w').close(); before, os.listdir()").text
            == "([], ['a'])\n"
        )


def scratch_of(result: Result) -> str:
    return result.text.strip().strip("'")


OPEN_FAMILY = pytest.mark.xfail(strict=True, reason="a family shares one folder that is open to each twin")


def seen(attacker: Attacker, other: Attacker, attempts: list[str]) -> dict[str, str]:
    """Which attempts on the other's folder were not refused; none where there is no name to try it by."""
    folder = scratch_of(other.run("open('note', 'w').write('private')\nos.getcwd()"))
    if folder == scratch_of(attacker.run("os.getcwd()")):
        return {}
    results = {code: attacker.run(code.format(folder)) for code in attempts}
    found = {code: result.feedback for code, result in results.items() if not refused(result)}
    after = other.run("os.listdir(), open('note').read()").feedback
    return found if after == "(['note'], 'private')" else {**found, "afterwards": after}


def test_the_scratch_of_another_session(arena: Arena) -> None:
    with arena.sessions(2) as (attacker, other):
        assert seen(attacker, other, SIGHTS) == {}


def test_the_attributes_of_another_session_s_scratch(arena: Arena) -> None:
    with arena.sessions(2) as (attacker, other):
        assert seen(attacker, other, ATTRIBUTES) == {}


@OPEN_FAMILY
def test_the_scratch_of_a_twin(arena: Arena) -> None:
    with arena.session() as session:
        assert seen(session, session.fork(), SIGHTS + ATTRIBUTES) == {}


def test_a_link_swapped_while_a_twin_copies(arena: Arena) -> None:
    with arena.session() as session:
        assert session.run(SWAPS).status is Status.OK
        for _ in range(5):
            twin = session.try_fork()  # a folder may be gone when it comes to be copied
            if twin:
                assert CANARY not in twin.run(READS_ALL).feedback
                twin.close()


def test_odd_scratch_folders(anywhere: Arena) -> None:
    """A twin of one may be refused, but in time; closing removes it."""
    with anywhere.sessions(len(ODD)) as sessions:
        for session, fills in zip(sessions, ODD, strict=True):
            session.run(fills)
            twin = session.try_fork()
            assert twin is None or twin.run("1").text == "1\n"
            assert session.run("2").status is Status.OK


def test_a_folder_that_nobody_may_read_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the session's files are the user's own, and their modes the session's to change."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def use() -> None:
        async with open_interpreter(limits=LIMITS, isolation="none") as interpreter:
            session = await interpreter.session(0)
            await session.run("import os; os.mkdir('shut'); open('shut/file', 'w').close(); os.chmod('shut', 0)")

    asyncio.run(use())
    assert list(tmp_path.iterdir()) == []
