"""The C library's allocator, for processes in which several jobs work with large blocks of memory."""

import contextlib

_M_MMAP_THRESHOLD = -3  # malloc.h
_LARGE = 2**19


def return_large_blocks() -> None:
    """Make the C library return blocks of 512 KB and more to the system as soon as they are freed.

    After the first large block was freed, glibc keeps blocks up to 32 MB for their thread. Then each of twenty threads
    keeps what its question took. A fixed threshold switches that off:
    https://man7.org/linux/man-pages/man3/mallopt.3.html. With another C library this does nothing.
    """
    with contextlib.suppress(AttributeError, ImportError, OSError):
        import ctypes  # noqa: PLC0415 - only a worker with several jobs needs it

        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE)
