import importlib
import os
import signal
import subprocess
import sys
import time

import pytest

from fer_keras.evaluation.fold_pool import fold_workers, run_in_processes

JOBS = """
import os, time

def square(job, report):
    report("started")
    return job * job, os.getpid()

def fail(job, report):
    raise ValueError(f"job {job}")

def linger(job, report):
    report(os.getpid())
    time.sleep(600)
"""


@pytest.fixture
def jobs(tmp_path, monkeypatch):
    """A module that the processes can import as well."""
    (tmp_path / "pool_jobs.py").write_text(JOBS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "pool_jobs", raising=False)
    return importlib.import_module("pool_jobs")


@pytest.mark.slow
def test_jobs_run_elsewhere_and_report_here(jobs):
    reports = []
    found = dict(run_in_processes(jobs.square, [3, 4, 5], 2, lambda *what: reports.append(what)))
    assert {place: value for place, (value, _) in found.items()} == {0: 9, 1: 16, 2: 25}
    assert os.getpid() not in {pid for _, pid in found.values()}
    assert sorted(reports) == [(0, "started"), (1, "started"), (2, "started")]


@pytest.mark.slow
def test_a_fault_comes_back(jobs):
    with pytest.raises(ValueError, match="job 1"):
        list(run_in_processes(jobs.fail, [1], 1))


@pytest.mark.slow
@pytest.mark.parametrize("end", ["kill", "interrupt", "interrupt all"])
def test_workers_end_with_their_parent(end, jobs, tmp_path):
    script = (
        "import signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background jobs without\n"
        "from pool_jobs import linger\n"
        "from fer_keras.evaluation.fold_pool import run_in_processes\n"
        "if __name__ == '__main__':\n"
        "    list(run_in_processes(linger, range(3), 1, lambda place, pid: print(place, pid, flush=True)))\n"
    )
    (tmp_path / "run.py").write_text(script)
    command = [sys.executable, tmp_path / "run.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as parent:
        place, worker = map(int, parent.stdout.readline().split())
        if end == "kill":
            parent.kill()
        elif end == "interrupt":
            parent.send_signal(signal.SIGINT)
        else:  # as a terminal does
            os.killpg(parent.pid, signal.SIGINT)
        assert place == 0
        assert parent.stdout.read() == ""  # none began another job; it ends when all have closed it
    for _ in range(100):
        try:
            os.kill(worker, 0)
        except ProcessLookupError:
            break
        time.sleep(0.1)
    else:
        os.kill(worker, signal.SIGKILL)
        pytest.fail("the worker outlives its parent")


def test_at_least_one_and_no_more_than_folds():
    assert fold_workers(1) == 1
    assert 1 <= fold_workers(100) <= os.cpu_count()
