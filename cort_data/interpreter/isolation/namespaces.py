"""The namespaces of the fork server: no network, no other processes, and a file tree with only what Python needs.

The server enters them once, before it loads any library (libraries start threads, after which a user namespace is
refused); its sessions live in them. `enter_session` then gives each family a mount and a user namespace of its own, in
which it has no rights over anything and its processes are counted by themselves.
"""

from __future__ import annotations

import os
import signal
import socket
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from cort_data.interpreter.isolation import kernel, places
from cort_data.interpreter.isolation.keeper import keep

SESSION_ID = 65534
"""User and group of sessions when the server was started by root."""
TREE_MB = 4
SCRATCH_AT = "/scratch"
SCRATCH_OPTIONS = "size=64m,nr_inodes=20000,mode=700"
_ALL = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWUTS
)


def enter(root: str) -> tuple[str, socket.socket]:
    """Move this process into new namespaces with a tree built at `root`.

    Returns the scratch folder in the tree and the socket of the keeper (`keeper.py`). The process that goes on is the
    second of its process namespace; the first is the keeper, and when it ends, the kernel ends every process in it.
    The caller's process stays outside, waits, removes `root` and ends.
    """
    _enter_user_namespace(root)
    _become_first_process()
    _build_tree(root)
    kernel.pivot_root(root, f"{root}/old")
    os.chdir("/")
    kernel.unmount("/old")
    os.rmdir("/old")
    kernel.mount("none", "/", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | _safe("/"))
    return SCRATCH_AT, _leave_keeper_behind()


def enter_session(*, other: bool) -> None:
    """Give a session process its own user namespace, without any right outside of it, and its own scratch folder.

    With `other` it becomes the user of sessions first. The mount is its family's alone, so that the folder has the
    same path for every family and no other can touch it: Landlock does not cover the attributes of files.
    """
    kernel.unshare(kernel.CLONE_NEWNS)
    user = SESSION_ID if other else os.getuid()
    kernel.mount_tmpfs(SCRATCH_AT, f"{SCRATCH_OPTIONS},uid={user}")
    if other:
        os.setgroups([])
        os.setresgid(SESSION_ID, SESSION_ID, SESSION_ID)
        os.setresuid(SESSION_ID, SESSION_ID, SESSION_ID)
    kernel.unshare(kernel.CLONE_NEWUSER)


def has_session_user() -> bool:
    """Whether sessions can be another user than the server: if root started it."""
    mapped = Path("/proc/self/uid_map").read_text().splitlines()
    return os.getuid() == 0 and any(line.split()[0] == str(SESSION_ID) for line in mapped)


def _enter_user_namespace(root: str) -> None:
    """Go on in a child that enters the namespaces; only a process outside of them may name its users."""
    entered_read, entered_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    child = os.fork()
    if child:
        os.close(entered_write)
        _stay_outside(child, entered_read, mapped_write, root)
    _die_with_parent()
    kernel.unshare(_ALL)
    os.write(entered_write, b".")
    os.close(mapped_write)
    if not os.read(mapped_read, 1):
        raise OSError("the users of the new namespace could not be named")
    for fd in (entered_read, entered_write, mapped_read):
        os.close(fd)


def _stay_outside(child: int, entered: int, mapped: int, root: str) -> NoReturn:
    try:
        if os.read(entered, 1):
            _name_users(child)
            os.write(mapped, b".")
    finally:
        os.close(mapped)
        _, status = os.waitpid(child, 0)
        with suppress(OSError):
            os.rmdir(root)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)


def _name_users(pid: int) -> None:
    """Started by root, there is a second user for the sessions; else the one user that we may name."""
    folder = Path(f"/proc/{pid}")
    if os.geteuid() == 0:
        for kind in ("uid_map", "gid_map"):
            (folder / kind).write_text(f"0 0 1\n{SESSION_ID} {SESSION_ID} 1\n")
        return
    (folder / "setgroups").write_text("deny")
    (folder / "uid_map").write_text(f"0 {os.geteuid()} 1")
    (folder / "gid_map").write_text(f"0 {os.getegid()} 1")


def _become_first_process() -> None:
    child = os.fork()
    if child:
        os.closerange(3, 1 << 20)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    _die_with_parent()


def _leave_keeper_behind() -> socket.socket:
    """This first process becomes the keeper; a child goes on."""
    ours, keepers = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork():
        number = keepers.fileno()
        os.closerange(3, number)
        os.closerange(number + 1, 1 << 20)
        keep(keepers)
    keepers.close()
    return ours


def _die_with_parent() -> None:
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _build_tree(root: str) -> None:
    readable = places.readable()
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount_tmpfs(root, f"size={TREE_MB}m,mode=755")
    for path in readable:
        _show(root, path)
    for path in places.DEVICES:
        _bind(root, path)
    for folder in ("old", "proc", SCRATCH_AT.strip("/")):
        os.mkdir(os.path.join(root, folder))
    kernel.mount("proc", f"{root}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)


def _show(root: str, path: str) -> None:
    """Make `path` readable in the tree: a link stays a link, the rest is bound and made read-only."""
    if os.path.islink(path) and os.path.dirname(path) == "/":
        os.symlink(os.readlink(path), root + path)
        return
    target = _bind(root, path)
    flags = kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | kernel.MS_NOSUID
    kernel.mount("none", target, None, flags | _safe(target))


def _bind(root: str, path: str) -> str:
    target = root + path
    if os.path.isdir(path):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        Path(target).touch()
    kernel.mount(path, target, None, kernel.MS_BIND)
    return target


def _safe(path: str) -> int:
    """The restrictions that a mount already has; a remount may not drop them."""
    return os.statvfs(path).f_flag & (kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
