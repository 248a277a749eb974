"""Snakemake's console as one line per job, with its place in the total, and short errors.

Enabled by ``logger: [lines]`` in ``profiles/default``. Snakemake's own log of the run, with every
detail, is still written to ``.snakemake/log/``.
"""

import importlib.util
import logging
import os
import re
import signal
import sys
import threading
import time
from pathlib import Path

from snakemake_interface_logger_plugins.base import LogHandlerBase
from snakemake_interface_logger_plugins.common import LogEvent

__all__ = ["LogHandler", "explain_targets"]


def _find_a_cache():
    """Let Snakemake have its cache here where the home folder cannot be written to.

    Snakemake makes it before it reads the Snakefile; this module is imported earlier.
    """
    cache = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    try:
        os.makedirs(cache, exist_ok=True)
        if os.access(cache, os.W_OK):
            return
    except OSError:
        pass
    os.environ["XDG_CACHE_HOME"] = os.path.abspath(".snakemake/cache")


_find_a_cache()


def _accept_any_encoding():
    # By its place, not its name: another package called `common` may come first on the path.
    path = Path(__file__).parents[1] / "common/workflow/console.py"
    spec = importlib.util.spec_from_file_location("artifacts_console", path)
    console = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(console)
    console.accept_any_encoding()


_KEPT = ("Nothing to be done", "Unlocking", "Would remove", "Deleting", "Touching")
_FRAME = re.compile(r'^  File ".*", line \d+, in .*$', re.MULTILINE)
_HEADING = re.compile(r"^\w+( in (rule .*? in )?file .*)?:$")
# Their text says what to do; where Snakemake noticed it does not help.
_SELF_EXPLAINED = {
    "MissingRuleException",
    "PaperError",
    "RegistryError",
    "SourceError",
    "WorkflowError",
}
_RAISED = re.compile(r"^  (?:PaperError|SourceError): (.*?)^Wildcards:", re.MULTILINE | re.DOTALL)
_NO_RULE = re.compile(r"No rule to produce (.*) \(if you use input functions")
_NO_PAIR = re.compile(r"Invalid config definition.*\(Unparsable value: (?P<value>.*)\)")
_STOPPED = "Stopped. What is finished is kept; the same command goes on from there."
# Said by the lines of the jobs themselves.
_KNOWN = ("MinJobAge ",)  # warnings that ask for nothing
_REPEATED = ("returned non-zero exit status", "At least one job did not complete successfully")
_LOCKED = (
    "This folder is locked by another snakemake run. Wait for it to end. "
    "If it was killed on another machine, unlock and repeat: snakemake --unlock"
)


_explanations = []


def explain_targets(function):
    """Have a function explain a target that no rule makes.

    Parameters
    ----------
    function : callable
        Takes the target, a str, and returns the error message.
    """
    _explanations[:] = [function]


class LogHandler(LogHandlerBase):
    """Writes one line when a job starts and one when it ends."""

    def __post_init__(self):
        self.stream = sys.stdout if self.common_settings.dryrun else sys.stderr
        self.total = 0
        self.started = 0
        self.jobs = {}  # job id -> (place, label, time of start)
        self.failed = set()
        self.interrupted = False
        _accept_any_encoding()
        if threading.current_thread() is threading.main_thread():
            self._note_ctrl_c()

    writes_to_stream = property(lambda self: True)
    writes_to_file = property(lambda self: False)
    has_filter = property(lambda self: False)
    has_formatter = property(lambda self: False)
    needs_rulegraph = property(lambda self: False)

    def emit(self, record):
        """Write what one record says to a person, if anything."""
        try:
            text = self._text(record)
            if text:
                self.stream.write(f"{text}\n")
                self.stream.flush()
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def _note_ctrl_c(self):
        """Remember Ctrl-C before jobs, which get it as well, are reported as failed."""

        def interrupt(*_):
            self.interrupted = True
            raise KeyboardInterrupt

        def end(kind, error, trace):
            if issubclass(kind, KeyboardInterrupt):
                self.stream.write(f"{_STOPPED}\n")
            else:
                sys.__excepthook__(kind, error, trace)

        signal.signal(signal.SIGINT, interrupt)
        sys.excepthook = end

    def _text(self, record):
        event = getattr(record, "event", None)
        if self.interrupted and not self.common_settings.verbose:
            ending = record.getMessage().startswith("Terminating processes on user request")
            return _STOPPED if ending else None
        action = {
            LogEvent.RUN_INFO: self._run_info,
            LogEvent.JOB_INFO: self._job_info,
            LogEvent.JOB_FINISHED: self._job_finished,
            LogEvent.JOB_ERROR: self._job_error,
            LogEvent.ERROR: self._error,
            LogEvent.SHELLCMD: lambda record: getattr(record, "shellcmd", None),
            None: self._message,
        }.get(event)
        return action(record) if action else None

    def _run_info(self, record):
        counts = record.stats if isinstance(record.stats, dict) else {}
        targets = sum(n for name, n in counts.items() if _is_target(name))
        self.total = counts.get("total", 0) - targets

    def _job_info(self, record):
        if _is_target(record.rule_name):
            return None
        if record.jobid in self.jobs:  # it is tried again
            place = self.jobs[record.jobid][0]
        else:
            self.started = place = self.started + 1
        values = dict(record.wildcards or {})
        label = "  ".join([record.rule_name, " ".join(f"{k}={v}" for k, v in values.items())])
        self.jobs[record.jobid] = place, label.strip(), time.monotonic()
        reason = f"  ({_shorten(record.reason)})" if self.common_settings.dryrun else ""
        return f"{self._place(place)} {label.strip()}{reason}"

    def _job_finished(self, record):
        if record.job_id not in self.jobs:
            return None
        place, label, start = self.jobs[record.job_id]
        self.failed.discard(label)  # when it was tried first
        return f"{self._place(place)} {label}  done  {_duration(time.monotonic() - start)}"

    def _job_error(self, record):
        place, label, _ = self.jobs.get(record.jobid, (0, record.rule_name, None))
        self.failed.add(label)
        notebooks = [name for name in record.log or () if name.endswith(".ipynb")]
        line = "  ".join([f"{self._place(place)} {label}  FAILED", *notebooks])
        # A local job has said itself why; of one on a cluster, common/workflow/slurm.py says it.
        why = getattr(record, "rule_msg", None) or ""
        return f"{line}\n{why}" if why.startswith("Slurm") else line

    def _error(self, record):
        message = record.getMessage()
        if getattr(record, "exception", "") == "LockException":
            return _LOCKED
        if any(repeated in message for repeated in _REPEATED):
            return None
        if missing := _NO_RULE.search(message):
            return "Error: " + _explain(missing[1])
        if pair := _NO_PAIR.search(message):
            return _explain_pair(pair["value"].strip("'\""))
        if "Invalid config definition: Config entry" in message:
            return (
                "Error: --config takes key=value pairs, and a key is a name of letters, digits and "
                "underscores: snakemake -j8 papers/dance/figures --config scale=paper"
            )
        if raised := _RAISED.search(message):
            return "Error: " + raised[1].strip()
        lines = [line for line in _FRAME.sub("", message).splitlines() if line.strip()]
        lines = [line for line in lines if line != "None"]
        if getattr(record, "exception", "") in _SELF_EXPLAINED and _HEADING.match(lines[0]):
            lines = lines[1:] or lines
        return "Error: " + "\n".join(lines).removeprefix("Error: ")

    def _message(self, record):
        message = record.getMessage()
        if self.common_settings.verbose:
            return message
        if message.startswith("Exiting because a job execution failed"):
            return f"{len(self.failed)} job(s) failed. What is finished is kept: fix, run it again."
        if message.startswith(_KNOWN):
            return None
        if record.levelno >= logging.WARNING or message.startswith(_KEPT):
            return message.strip()
        return None

    def _place(self, place):
        width = len(str(self.total))
        return f"[{place:>{width}}/{self.total}]" if self.total else f"[{place}]"


def _explain(target):
    """Why there is no such target."""
    return _explanations[0](target) if _explanations else f"there is no target {target}"


def _explain_pair(value):
    """What is wrong with a word after ``--config`` that is not ``key=value``."""
    target = value if "/" in value or "." in value else "papers/dance/figures"
    return (
        f"Error: --config takes key=value pairs, and {value!r} is none. Targets come before it: "
        f"snakemake -j8 {target} --config scale=paper"
    )


def _is_target(rule):
    """Whether a rule only names other files: ``all``, ``papers/dance/figures``."""
    return rule == "all" or "/figures" in rule


def _duration(seconds):
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {seconds:02d} s"


def _shorten(text, limit=100):
    text = " ".join(str(text).split())
    return text if len(text) <= limit else f"{text[: limit - 1]}…"
