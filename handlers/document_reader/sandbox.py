"""Confines this process before it reads a file: no network, and no way to other processes.

A file may exploit a bug of a library, and then its code runs here. The worker beside this process has credentials in
its memory. This module takes away what such code would need: sockets, and calls that read, trace, signal or limit
another process. A filter of system calls (seccomp) does that. It needs no privileges, and it cannot be removed.

https://docs.kernel.org/userspace-api/seccomp_filter.html
"""

import ctypes
import errno
import os
import platform
import struct
import sys
from dataclasses import dataclass
from typing import TypeAlias

_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION = 0x20080522
# The capabilities that only concern permissions of files: root in a container may need them to read its own files.
_KEPT_CAPABILITIES = 0b111

# Classic BPF: load a word, compare with a constant, return. https://docs.kernel.org/networking/filter.html
_LOAD, _IF_EQUAL, _IF_AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_NUMBER_OFFSET, _ARCHITECTURE_OFFSET, _FIRST_ARGUMENT_OFFSET = 0, 4, 16  # of `struct seccomp_data`
_ALLOW = 0x7FFF0000
_REFUSE = 0x00050000 | errno.EPERM
_Line: TypeAlias = tuple[int, str, str, int]  # the operation, the labels to jump to if true and if not, and the value


@dataclass(frozen=True)
class _Machine:
    """The numbers of a processor architecture, from the kernel's `audit.h` and its tables of system calls.

    `refused` are refused always, `own_process` unless the first argument is this process, and `own_limits` unless it is
    this process or 0. Numbers from `other_interface` on belong to another interface of the same kernel.
    """

    audit: int
    refused: tuple[int, ...]
    own_process: tuple[int, ...]
    own_limits: int
    other_interface: int | None = None


# refused: socket, connect, socketpair, ptrace, tkill, rt_sigqueueinfo, rt_tgsigqueueinfo, process_vm_readv,
# process_vm_writev. Then those with the same numbers on both: pidfd_send_signal, io_uring_setup (it opens sockets too),
# pidfd_open, pidfd_getfd. own_process: kill, tgkill. own_limits: prlimit64.
_ON_BOTH = (424, 425, 434, 438)
_MACHINES = {
    "x86_64": _Machine(
        0xC000003E, (41, 42, 53, 101, 200, 129, 297, 310, 311, *_ON_BOTH), (62, 234), 302, other_interface=0x40000000
    ),
    "aarch64": _Machine(0xC00000B7, (198, 203, 199, 117, 130, 138, 240, 270, 271, *_ON_BOTH), (129, 131), 261),
}


def confine() -> str | None:
    """Confine this process. Return None, or the reason why the system does not allow it.

    Must be called before other threads start, because the filter is for the calling thread and its descendants.
    """
    machine = _MACHINES.get(platform.machine())
    if sys.platform != "linux" or machine is None:
        return f"there is no filter for {sys.platform} on {platform.machine()}"
    libc = ctypes.CDLL(None, use_errno=True)
    if failed := _drop_capabilities(libc):
        return failed
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        return f"no_new_privs: {os.strerror(ctypes.get_errno())}"
    program = _program(machine, os.getpid())
    instructions = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(instructions))
    if libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.c_char_p(header), 0, 0):
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return None


def hide_memory() -> bool:
    """Hide the memory and the environment of this process from the other processes of its user. Return whether it did.

    The files of this process in `/proc` then belong to root, and `ptrace` is refused. Core dumps are off too. A new
    program that this process executes is not hidden.
    """
    if sys.platform != "linux":
        return False
    return bool(ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0) == 0)


def _drop_capabilities(libc: ctypes.CDLL) -> str | None:
    """Give up the capabilities of root, for example to trace other processes. On Lambda there are none."""
    header = ctypes.create_string_buffer(struct.pack("Ii", _CAPABILITY_VERSION, 0))
    state = ctypes.create_string_buffer(struct.calcsize("6I"))  # effective, permitted and inheritable, in two halves
    if libc.capget(header, state):
        return f"capget: {os.strerror(ctypes.get_errno())}"
    effective, permitted, *_ = struct.unpack("6I", state.raw)
    kept = struct.pack("6I", effective & _KEPT_CAPABILITIES, permitted & _KEPT_CAPABILITIES, 0, 0, 0, 0)
    if libc.capset(header, ctypes.create_string_buffer(kept)):
        return f"capset: {os.strerror(ctypes.get_errno())}"
    return None


def _program(machine: _Machine, process: int) -> bytes:
    """Return the filter as instructions of classic BPF. `process` is the id of this process."""
    refused = [(_IF_EQUAL, "refuse", "", number) for number in machine.refused]
    if machine.other_interface is not None:
        refused.append((_IF_AT_LEAST, "refuse", "", machine.other_interface))
    lines: list[_Line] = [
        (_LOAD, "", "", _ARCHITECTURE_OFFSET),
        (_IF_EQUAL, "", "refuse", machine.audit),
        (_LOAD, "", "", _NUMBER_OFFSET),
        *refused,
        *((_IF_EQUAL, "own process", "", number) for number in machine.own_process),
        (_IF_EQUAL, "own limits", "allow", machine.own_limits),
    ]
    labels = {"own limits": len(lines), "own process": len(lines) + 2}
    lines += [
        (_LOAD, "", "", _FIRST_ARGUMENT_OFFSET),
        (_IF_EQUAL, "allow", "", 0),
        (_LOAD, "", "", _FIRST_ARGUMENT_OFFSET),
        (_IF_EQUAL, "allow", "refuse", process),
        (_RETURN, "", "", _ALLOW),
        (_RETURN, "", "", _REFUSE),
    ]
    labels |= {"allow": len(lines) - 2, "refuse": len(lines) - 1}

    def skip(at: int, label: str) -> int:
        """Return how many instructions to skip: a jump counts from the next one."""
        return labels[label] - at - 1 if label else 0

    return b"".join(
        struct.pack("HBBI", code, skip(at, if_true), skip(at, if_false), value)
        for at, (code, if_true, if_false, value) in enumerate(lines)
    )
