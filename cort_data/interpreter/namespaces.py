"""The namespaces of the fork server: no network, no other processes, and a file tree with only what Python needs.

The server enters them once, before it loads any library (libraries start threads, after which a user namespace is
refused); its sessions live in them. `own_user` then gives each session a user namespace of its own, in which it has no
rights over anything and its processes are counted by themselves.
"""

from __future__ import annotations

import os
import signal
from pathlib import Path

from cort_data.interpreter import kernel, places

SESSION_ID = 65534
"""User and group of sessions when the server was started by root."""
TREE_MB = 4
SCRATCH_AT = "/scratch"
_ALL = (
    kernel.CLONE_NEWUSER
    | kernel.CLONE_NEWNS
    | kernel.CLONE_NEWNET
    | kernel.CLONE_NEWIPC
    | kernel.CLONE_NEWPID
    | kernel.CLONE_NEWUTS
)


def enter(root: str) -> str:
    """Move this process into new namespaces with a tree built at `root`; returns the scratch folder in the tree.

    The process that goes on is a child, the first of its process namespace: when it ends, the kernel ends every
    process in it. The caller's process waits for it and ends with it.
    """
    _enter_user_namespace()
    _become_first_process()
    _build_tree(root)
    kernel.pivot_root(root, f"{root}/old")
    os.chdir("/")
    kernel.unmount("/old")
    os.rmdir("/old")
    kernel.mount("none", "/", None, kernel.MS_REMOUNT | kernel.MS_BIND | kernel.MS_RDONLY | _safe("/"))
    return SCRATCH_AT


def own_user(family: str) -> None:
    """Give a session process its own user namespace, without any right outside of it; its files go to its user."""
    if os.stat(family).st_uid == os.getuid() and _maps_session_id():
        for folder in (family, os.path.join(family, "0")):
            os.chown(folder, SESSION_ID, SESSION_ID)
        os.setgroups([])
        os.setresgid(SESSION_ID, SESSION_ID, SESSION_ID)
        os.setresuid(SESSION_ID, SESSION_ID, SESSION_ID)
    kernel.unshare(kernel.CLONE_NEWUSER)


def _maps_session_id() -> bool:
    return any(line.split()[0] == str(SESSION_ID) for line in Path("/proc/self/uid_map").read_text().splitlines())


def _enter_user_namespace() -> None:
    user, group = os.geteuid(), os.getegid()
    if user != 0:
        kernel.unshare(_ALL)
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1")
        return
    entered_read, entered_write = os.pipe()
    helper = os.fork()
    if helper == 0:
        _map_from_outside(os.getppid(), entered_read)
    os.close(entered_read)
    kernel.unshare(_ALL)
    os.write(entered_write, b".")
    os.close(entered_write)
    _, status = os.waitpid(helper, 0)
    if status:
        raise OSError("the user namespace could not be mapped")


def _map_from_outside(pid: int, entered: int) -> None:
    """Only a process outside may map a second user; sessions run as that one, not as root."""
    try:
        if os.read(entered, 1):
            for name in ("uid_map", "gid_map"):
                Path(f"/proc/{pid}/{name}").write_text(f"0 0 1\n{SESSION_ID} {SESSION_ID} 1\n")
            os._exit(0)
    finally:
        os._exit(1)


def _become_first_process() -> None:
    child = os.fork()
    if child:
        os.closerange(3, 1 << 20)
        _, status = os.waitpid(child, 0)
        os._exit(os.waitstatus_to_exitcode(status) & 0xFF)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _build_tree(root: str) -> None:
    readable = places.readable()
    kernel.mount("none", "/", None, kernel.MS_REC | kernel.MS_PRIVATE)
    kernel.mount("tmpfs", root, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, f"size={TREE_MB}m,mode=755")
    for path in readable:
        _show(root, path)
    for path in places.DEVICES:
        _bind(root, path)
    for folder in ("old", "proc", SCRATCH_AT.strip("/")):
        os.mkdir(os.path.join(root, folder))
    kernel.mount("proc", f"{root}/proc", "proc", kernel.MS_NOSUID | kernel.MS_NODEV | kernel.MS_NOEXEC)
    kernel.mount("tmpfs", root + SCRATCH_AT, "tmpfs", kernel.MS_NOSUID | kernel.MS_NODEV, "size=1m,mode=755")


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
