"""Jobs forked from processes with libraries imported: as cold ones, and gone with their run."""

import importlib
import importlib.machinery
import json
import os
import pickle
import resource
import signal
import socket
import subprocess
import sys
import time
import types
from pathlib import Path
from types import SimpleNamespace

import nbformat
import psutil
import pytest

from benchmarks import bench_notebook_overhead as bench
from common import files
from common.workflow.notebooks import isolation, server, warm

pytestmark = pytest.mark.skipif(not warm.is_possible(), reason="this platform cannot fork safely")

SERVER = Path(server.__file__)
PATIENCE = 300  # s, on a busy machine; nothing waits for so long if all is well
IMPORTS = ["numpy", "pandas", "tqdm", "tqdm.auto", "sklearn"]
IS_WARM = "'papermill' in sys.modules"  # a runner's library, of which a cold kernel knows nothing


def _environ():
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST")}


class Jobs:
    """Notebooks, and what Snakemake would start for them; a server that knows them all."""

    def __init__(self, folder):
        self.folder = folder
        self.server = None
        self.notebooks = {}

    def add(self, name, *cells):
        """A notebook; its cells may write to ``seconds``, the job's output."""
        cells = ["import json, os, sys", *cells]
        parameters = nbformat.v4.new_code_cell("seconds = ''", metadata={"tags": ["parameters"]})
        made = [parameters, *map(nbformat.v4.new_code_cell, cells)]
        (self.folder / name).mkdir()
        self.notebooks[name] = self.folder / name / "notebook.ipynb"
        nbformat.write(nbformat.v4.new_notebook(cells=made), self.notebooks[name])

    def start(self):
        """Start the server."""
        folder = self.folder / "server"
        folder.mkdir()
        self.server = warm.Server(
            folder,
            [(IMPORTS, [f"{notebook}@0" for notebook in self.notebooks.values()])],
            environ=isolation.job_environment(_environ(), root=files.ROOT, scratch=folder),
            report=self.folder / "warm.json",
        )

    def begin(self, name, *, is_warm=True, **environ):
        """Start the job's own process."""
        folder = self.folder / name
        output = folder / "seconds.json"
        output.unlink(missing_ok=True)
        environ = _environ() | environ
        if is_warm:
            environ[warm.FOLDER] = str(self.folder / "server")
        return subprocess.Popen(
            bench.our_command(self.notebooks[name], output, folder), cwd=files.ROOT, env=environ,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def run(self, name, **options):
        """Run a job; what the notebook wrote, and the notebook as it was executed."""
        process = self.begin(name, **options)
        said, _ = process.communicate(timeout=PATIENCE * 3)
        assert process.returncode == 0, said
        executed = self.folder / name / "executed.ipynb"
        return json.loads((self.folder / name / "seconds.json").read_text()), executed.read_bytes()


LOOK = """
import numpy, pandas, tqdm.auto, sklearn
import locale, signal, threading, warnings
hidden = {"JPY_PARENT_PID", "IPYTHONDIR", "_MNE_FAKE_HOME_DIR", "_"}
found = {
    "environ": {k: v for k, v in os.environ.items() if k not in hidden and "JUPYTER" not in k},
    "names": sorted(os.environ),
    "path": sys.path,
    "arguments": sys.argv[:2] + sys.argv[3:],
    "folder": os.getcwd(),
    "signals": [str(signal.getsignal(n)) for n in (signal.SIGTERM, signal.SIGCHLD, signal.SIGINT)],
    "locale": locale.setlocale(locale.LC_ALL),
    "encodings": [sys.getfilesystemencoding(), sys.stdout.encoding, sys.__stderr__.encoding],
    "threads": sorted(thread.name for thread in threading.enumerate()),
    "parent": os.getppid() == int(os.environ["JPY_PARENT_PID"]),
    "leader": os.getpid() == os.getsid(0) == os.getpgid(0),
    "main": sorted(vars(sys.modules["__main__"]).keys() - {"_exit_code"}),
    "own": [name for name in sys.modules if name.split(".")[0] == "common"],
    "hash": hash("text"),
    "wide": pandas.get_option("display.max_columns"),
    "filters": str(warnings.filters),
    "is forked": "papermill" in sys.modules,
    "input": os.readlink("/proc/self/fd/0").partition(":")[0],
}
"""
WRITE = "open(seconds, 'w').write(json.dumps(found));"


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    jobs = Jobs(tmp_path_factory.mktemp("warm"))
    jobs.add("look", LOOK, WRITE)
    jobs.add(
        "say",
        "import pandas\nfrom tqdm.auto import tqdm\nprint(tqdm.__module__)",
        "import warnings, sklearn\nprint(warnings.filters)\nprint(sys.stderr.isatty())",
        "warnings.warn('deprecated', DeprecationWarning)\nwarnings.warn('mine')",
        "found = os.environ.get('KMP_INIT_AT_FORK')",
        WRITE,
    )
    jobs.add("draw", f"import numpy\nfound = [numpy.random.rand(), {IS_WARM}]", WRITE)
    jobs.add("tell", f"found = [os.environ.get('TMPDIR'), os.environ.get('KEY'), {IS_WARM}]", WRITE)
    jobs.add("wait", "found = os.getpid()", WRITE, "import time; time.sleep(600)")
    jobs.add("fail", "print('so far')", "from common import files\nfiles.resolve(None)")
    jobs.add("die", "os.kill(os.getpid(), 9)")
    jobs.start()
    yield jobs
    jobs.server.close()


def test_a_forked_kernel_finds_what_a_cold_one_finds(jobs):
    cold, _ = jobs.run("look", is_warm=False)
    forked, _ = jobs.run("look")
    assert not cold.pop("is forked") and forked.pop("is forked")
    assert forked == cold
    assert cold["own"] == [] and cold["parent"] and cold["leader"]


def test_a_notebook_says_the_same_and_imports_say_it_where_they_stand(jobs):
    cold, executed = jobs.run("say", is_warm=False)
    assert jobs.run("say") == (cold, executed)
    cells = nbformat.reads(executed.decode(), as_version=4).cells
    (cell,) = (cell for cell in cells if "import pandas" in cell.source)
    assert "TqdmWarning: IProgress not found" in str(cell.outputs)


def test_jobs_draw_other_random_numbers(jobs):
    (first, is_warm), (second, _) = (jobs.run("draw")[0] for _ in range(2))
    assert is_warm
    assert first != second


def test_a_job_has_its_own_environment(jobs):
    for folder in ("/tmp", "/var/tmp"):
        assert jobs.run("tell", TMPDIR=folder)[0] == [folder, None, True]
    # Libraries may have read this one when they were imported, so the kernel is a cold one.
    assert jobs.run("tell", KEY="1")[0][1:] == ["1", False]


@pytest.mark.parametrize("name", ["fail", "die"])
def test_a_failure_says_the_same(jobs, name):
    answers = []
    for is_warm in (False, True):
        process = jobs.begin(name, is_warm=is_warm)
        said, _ = process.communicate(timeout=PATIENCE * 3)
        executed = (jobs.folder / name / "executed.ipynb").read_bytes()
        # Whether a kernel has said that a cell begins before it dies is a race.
        answers.append((process.returncode, said, executed if name == "fail" else None))
    assert answers[0] == answers[1]
    assert answers[0][0] == 1


def wait_for(path):
    """The content of a file that appears."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if path.exists() and (text := path.read_text()):
            return text
        time.sleep(0.05)
    raise AssertionError(f"{path} did not appear")


def has_ended(process):
    gone, _ = psutil.wait_procs([process], timeout=PATIENCE)
    return bool(gone)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_job_ends_with_the_process_that_asked(jobs, number):
    process = jobs.begin("wait")
    kernel = psutil.Process(int(wait_for(jobs.folder / "wait/seconds.json")))
    runner = kernel.parent()
    process.send_signal(number)
    assert process.wait(timeout=PATIENCE) in {-number, 128 + number}
    assert has_ended(kernel) and has_ended(runner)


def test_a_kernel_ends_with_its_runner(jobs):
    process = jobs.begin("wait")
    kernel = psutil.Process(int(wait_for(jobs.folder / "wait/seconds.json")))
    kernel.parent().kill()
    said, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert "bench failed: its process was killed." in said
    assert has_ended(kernel)


def test_what_a_job_took_is_known_to_who_started_it(jobs, monkeypatch):
    process = jobs.begin("draw")
    process.communicate(timeout=PATIENCE * 3)
    monkeypatch.setenv(warm.FOLDER, str(jobs.folder / "server"))
    usage = warm.usage_of(process.args[1])
    assert usage["status"] == 0
    assert usage["seconds"] > 0
    assert usage["memory"] > 30  # MiB: an interpreter with a kernel has more
    assert warm.usage_of(process.args[1]) is None
    report = json.loads((jobs.folder / "warm.json").read_text())
    assert report["bytes"] > 10e6
    assert report["imports"] == [IMPORTS]


def test_what_jobs_took_counts_as_what_the_run_took(tmp_path):
    def took(*processes):
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    jobs = Jobs(tmp_path)
    jobs.add("work", "import time\nwhile time.process_time() < 3: pass\nfound = True", WRITE)
    jobs.start()
    jobs.run("work")
    server = psutil.Process(jobs.server.process.pid)
    own = took(server, *server.children())
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    jobs.server.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    counted = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert counted > own + 2


def test_without_a_server_a_job_is_cold(tmp_path):
    jobs = Jobs(tmp_path)
    jobs.add("tell", f"found = {IS_WARM}", WRITE)
    jobs.start()
    assert jobs.run("tell")[0] is True
    jobs.server.process.kill()
    jobs.server.process.wait()
    # What it has forked may go on; then nobody listens any more.
    for path in (tmp_path / "server").glob("*.socket"):
        path.unlink()
    assert jobs.run("tell")[0] is False
    jobs.server.close()
    assert not (tmp_path / "server").exists()
    assert jobs.run("tell")[0] is False


RUN = """
import json, os, sys, time
from pathlib import Path
from common import files
from common.workflow.notebooks import isolation, warm

folder = Path(sys.argv[1])
environ = isolation.job_environment(os.environ, root=files.ROOT, scratch=folder)
server = warm.Server(folder, [(["numpy"], ["n@0"])], environ=environ, report=folder / "warm.json")
import socket
connection = socket.socket(socket.AF_UNIX)
connection.connect(str(folder / "0.socket"))  # has it start the process that imports
print(server.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_server_ends_with_the_process_that_started_it(tmp_path, number):
    run = subprocess.Popen(
        [sys.executable, "-c", RUN, str(tmp_path)], cwd=files.ROOT, stdout=subprocess.PIPE
    )
    started = psutil.Process(int(run.stdout.readline()))
    wait_for(tmp_path / "warm.json")  # it has imported
    forked = started.children()
    assert len(forked) == 1
    run.send_signal(number)
    run.wait()
    assert has_ended(started) and has_ended(forked[0])


# What may be imported before the fork

WATCH = f"""
import sys
sys.path.insert(0, {str(SERVER.parent)!r})
import server
with server._Watch() as watch:
    server._import(sys.argv[1])
    guilty = watch.guilty()
print(bool(guilty), [said[2] for said in watch.said], watch.changes()["environ"])
"""


@pytest.mark.parametrize(
    ("source", "guilty", "said"),
    [
        ("x = 1", False, []),
        ("import os, warnings; os.environ['MINE'] = '1'", False, []),
        ("print('hello', end='')", False, ["hello"]),
        ("import warnings; warnings.warn('old')", False, ["odd.py:1: UserWarning: old"]),
        ("import warnings; warnings.warn('old', stacklevel=2)", True, None),
        ("import warnings; warnings.warn('old', stacklevel=3)", True, None),
        ("import warnings; warnings.warn('old', stacklevel=9)", True, None),
        ("import sys; print('sys:1: UserWarning: old', file=sys.stderr)", True, None),
        ("import sys; print('<sys>:0: UserWarning: old', file=sys.stderr)", True, None),
        ("import os; os.write(1, b'from C')", True, []),
        ("import threading, time; threading.Thread(target=time.sleep, args=[9]).start()", True, []),
        ("from IPython import get_ipython; x = get_ipython()", False, []),
        ("from IPython import get_ipython; x = type(get_ipython()).__name__", False, []),
        ("from IPython import get_ipython; x = hasattr(get_ipython(), 'kernel')", False, []),
        ("from IPython import get_ipython; x = get_ipython().kernel.shell", True, []),
        ("from IPython import get_ipython; x = get_ipython().config", True, []),
        ("x = hasattr(get_ipython(), 'kernel')", False, []),
        ("import sys; stream = sys.stderr", False, []),
    ],
)
def test_a_module_is_imported_before_the_fork_if_that_makes_no_difference(
    tmp_path, source, guilty, said
):
    (tmp_path / "odd.py").write_text(source)
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", WATCH, "odd"], env=environ, capture_output=True, text=True,
        timeout=PATIENCE,
    )  # fmt: skip
    if "AttributeError" in done.stderr:  # there is no shell, so the import has failed as well
        assert guilty
        return
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{guilty} ")
    assert all(text in done.stdout for text in said or [])
    assert said != [] or " [] " in done.stdout
    assert ("MINE" in source) == ("{'MINE': '1'}" in done.stdout)


def test_a_stand_in_for_a_stream_leads_to_the_one_of_the_time(monkeypatch, capsys):
    stream = server._Stream("stderr", sys.stderr)
    stream.write("one")
    assert capsys.readouterr().err == "one"
    written = []
    monkeypatch.setattr(sys, "stderr", SimpleNamespace(write=written.append, isatty=lambda: "mine"))
    stream.write("two")
    assert written == ["two"] and stream.isatty() == "mine"


@pytest.mark.parametrize("statement", [
    "import outer", "from outer import inner", "import outer.inner", "import outer.other",
    "from outer.other import VALUE",
])  # fmt: skip
def test_what_an_import_said_is_said_once_where_it_is_first_imported(
    tmp_path, monkeypatch, capsys, statement
):
    (tmp_path / "outer").mkdir()
    (tmp_path / "outer/__init__.py").write_text("from outer import inner\n")
    (tmp_path / "outer/inner.py").write_text("VALUE = 1\n")
    (tmp_path / "outer/other.py").write_text("VALUE = 2\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    outer, other = importlib.import_module("outer"), importlib.import_module("outer.other")
    inner, spec = outer.inner, outer.__spec__
    server.Replay([(["outer", "outer.inner"], "stdout", "said\n")])
    assert not any(name.partition(".")[0] == "outer" for name in sys.modules)
    assert vars(outer).keys().isdisjoint(["inner", "other"])
    try:
        assert capsys.readouterr().out == ""
        exec(statement, {})
        assert capsys.readouterr().out == "said\n"
        assert sys.modules["outer"] is outer and outer.__spec__ is spec
        exec("import outer.inner, outer.other", {})
        assert (outer.inner, outer.other) == (inner, other)
        assert capsys.readouterr().out == ""
    finally:
        for name in ("outer", "outer.inner", "outer.other"):
            sys.modules.pop(name, None)


def test_two_imports_that_said_something_say_it_each_at_its_place(monkeypatch, capsys):
    made = {name: types.ModuleType(name) for name in ("odd", "even")}
    for name, module in made.items():
        module.__spec__ = importlib.machinery.ModuleSpec(name, None)
        monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    server.Replay([(["odd"], "stdout", "one"), (["even", "odd"], "stderr", "two")])
    exec("import even", {})
    assert tuple(capsys.readouterr()) == ("", "two")
    exec("import odd", {})
    assert tuple(capsys.readouterr()) == ("one", "")
    assert {name: sys.modules[name] for name in made} == made


# Which jobs start from which process


def test_notebooks_start_from_imports_that_they_have_in_common_in_this_order():
    imports = {
        "a": ["json", "numpy", "scipy.stats:norm", "torch", "os:path"],
        "b": ["numpy", "scipy.special", "torch.nn"],
        "c": ["torch", "numpy"],
        "d": ["json"],
    }
    found = warm.groups(imports, dict.fromkeys(imports, 1))
    assert found == [([], ["c", "d"]), (["numpy", "scipy", "torch"], ["a", "b"])]
    # Many jobs are worth a process of their own.
    own = ["numpy", "scipy", "scipy.stats", "scipy.stats:norm", "torch"]
    found = warm.groups(imports, {"a": warm.MANY, "b": 1, "c": 2, "d": 9})
    assert (own, ["a"]) in found
    assert (["torch", "numpy"], ["c"]) in found
    assert ([], ["b", "d"]) in found
    # Fewer share one, whose libraries are imported once.
    found = warm.groups(imports, {"a": warm.MANY - 1, "b": 1, "c": 1, "d": 9})
    assert found == [([], ["c", "d"]), (["numpy", "scipy", "torch"], ["a", "b"])]


def test_few_processes_and_little_memory_are_held():
    def group(asked, memory):
        made = server._Group(0, [])
        made.process, made.memory, made.asked = 1, memory, asked
        made.end = lambda: setattr(made, "process", None)
        return made

    many = [group(asked, 1) for asked in range(server.MOST + 2)]
    server._make_room(many, 1e9)
    assert [each.process is None for each in many] == [True, True] + server.MOST * [False]
    large = [group(asked, 0.6e9) for asked in range(3)]
    server._make_room(large, 1e9)
    assert [each.process is None for each in large] == [True, True, False]


def test_an_eighth_of_the_memory_that_there_is_may_be_held(tmp_path):
    (tmp_path / "s").mkdir()
    report = tmp_path / "warm.json"
    started = warm.Server(tmp_path / "s", [], environ=_environ(), report=report, memory=8e9)
    try:
        assert started.process.args[-1] == "1000000000.0"
    finally:
        started.close()


def test_a_process_that_fails_is_not_tried_again(monkeypatch):
    reader, writer = os.pipe()
    monkeypatch.setattr(server, "_nursery", lambda group, words: 1)
    group = server._Group(writer, [])
    group.start([group])
    group.listen()
    assert group.failed and group.process is None
    assert os.read(reader, 1) == b""  # its socket is closed
    os.close(reader)


@pytest.fixture
def sleeper():
    """A kernel that waits, of a process of this test's own."""
    process = subprocess.Popen(["sleep", "600"])
    yield warm.Kernel(process.pid, None, {"KEY": "1", "TMPDIR": "/tmp"})
    process.kill()
    process.wait()


def test_a_forked_kernel_is_asked_and_ended_as_a_started_one(sleeper):
    assert sleeper.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        sleeper.wait(timeout=0.02)
    sleeper.terminate()
    assert sleeper.wait(timeout=PATIENCE) == sleeper.wait() == sleeper.poll() == -signal.SIGTERM
    sleeper.kill()  # nothing is left to send it to


def test_a_forked_kernel_fits_the_environment_of_its_imports_while_it_lives(sleeper):
    assert sleeper.fits({"KEY": "1", "TMPDIR": "/var/tmp", "JPY_PARENT_PID": "7"})
    assert not sleeper.fits({"KEY": "2", "TMPDIR": "/tmp"})
    assert not sleeper.fits({"KEY": "1", "OTHER": ""})
    sleeper.kill()
    sleeper.wait()
    assert sleeper.returncode == -signal.SIGKILL
    assert not sleeper.fits({"KEY": "1"})


def test_what_a_job_took_is_read_once(tmp_path, monkeypatch):
    monkeypatch.delenv(warm.FOLDER, raising=False)
    assert warm.usage_of("scripts/a.py") is None
    monkeypatch.setenv(warm.FOLDER, str(tmp_path))
    assert warm.usage_of("scripts/a.py") is None
    (tmp_path / "a.py.json").write_text('{"seconds": 2.5}')
    (tmp_path / "b.py.json").write_text('{"seco')
    assert warm.usage_of("scripts/a.py") == {"seconds": 2.5}
    assert warm.usage_of("scripts/a.py") is warm.usage_of("scripts/b.py") is None


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("abcd", "abcd", "abcd"),
        ("abcd", "bd", "bd"),
        ("abcbdab", "bdcaba", 4),
        ("xaybzc", "abc", "abc"),
        ("ab", "ba", 1),
        ("", "a", ""),
        ("a", "b", ""),
    ],
)
def test_what_two_lists_have_in_common_in_their_order(one, other, shared):
    for first, second in ((one, other), (other, one)):
        found = warm._common(list(first), list(second))
        assert len(found) == shared if isinstance(shared, int) else found == list(shared)
        for each in (first, second):
            rest = iter(each)
            assert all(item in rest for item in found)  # in this order


def test_messages_are_read_whole_however_they_arrive():
    one, other = socket.socketpair()
    with one, other:
        message = warm._framed({"a": bytes(range(256)) * 40})
        for begin in range(0, len(message), 5000):
            one.sendall(message[begin : begin + 5000])
        begin = other.recv(3)
        assert pickle.loads(server._receive_bytes(other, begin)) == {"a": bytes(range(256)) * 40}
        one.sendall(message[:20])
        one.close()
        with pytest.raises(EOFError):
            server._receive_bytes(other)


def test_modules_and_symbols_are_imported_as_a_notebook_does(monkeypatch, tmp_path):
    for name in ("package_a", "package_a/inner"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("SYMBOL = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    try:
        server._import("package_a:SYMBOL")
        assert "package_a.inner" not in sys.modules
        server._import("package_a:inner")
        assert "package_a.inner" in sys.modules
        with pytest.raises(ImportError):
            server._import("package_a:nothing")
    finally:
        for name in [name for name in sys.modules if name.startswith("package_a")]:
            del sys.modules[name]


def test_other_platforms_have_no_server(monkeypatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert not warm.is_possible()
