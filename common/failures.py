"""Errors of the machine, which end a job, apart from errors of a method, which are a result."""

import concurrent.futures
import errno
import re

__all__ = ["of_machine"]

# Something is scarce or broken. Other errors of the system count only where nothing handled them.
_SCARCE = {
    errno.ENOMEM, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.EROFS,
    errno.ESTALE,
}  # fmt: skip

# What libraries make of these errors on their way: torch and its devices have no classes of their
# own for all of them, and scikit-learn and joblib quote the traceback of a worker.
_SAID = re.compile(
    r"\b(MemoryError|BrokenProcessPool|TerminatedWorkerError|OutOfMemoryError)\b"
    r"|out of memory|not enough memory|(unable|failed|can(no|')t) (to )?allocate"
    r"|_ALLOC_FAILED|RESOURCE_EXHAUSTED|CUDA error|CUDNN_STATUS|CUBLAS_STATUS"
    r"|DataLoader worker .* (killed|exited)|can't start new thread"
    r"|no space left on device|disk quota exceeded|input/output error|too many open files",
    re.IGNORECASE,
)


def of_machine(error):
    """Whether an error says something about the machine, and nothing about the method that ran.

    No memory, in the processor or the device; a full, read-only or failing disk; too many open
    files; a worker that died; a package that is missing. A fit that meets one of these may succeed
    on the next run, so it must not be recorded as a failure of its method: whoever catches errors
    of any kind lets these pass.

    Parameters
    ----------
    error : BaseException
        Those that it was raised from, those that it groups, and what it quotes count too.

    Returns
    -------
    of_machine : bool

    Examples
    --------
    >>> of_machine(MemoryError()), of_machine(ValueError("the matrix is singular"))
    (True, False)
    """
    pending, seen = [(error, True)], set()
    while pending:
        one, direct = pending.pop()
        if one is None or (id(one), direct) in seen:
            continue
        seen.add((id(one), direct))
        if _scarce(one) or (direct and isinstance(one, OSError | ImportError | EOFError)):
            return True
        pending.append((one.__cause__, direct))
        # While it was handled another error came up: a fallback that failed as well. That a
        # package or a file was not there may have been expected.
        pending.append((one.__context__, False))
        pending += [(each, direct) for each in getattr(one, "exceptions", ())]
    return False


def _scarce(error):
    if isinstance(error, MemoryError | concurrent.futures.BrokenExecutor):
        return True
    if not isinstance(error, Exception):  # KeyboardInterrupt, SystemExit: the job is to end
        return True
    return getattr(error, "errno", None) in _SCARCE or bool(_SAID.search(str(error)))
