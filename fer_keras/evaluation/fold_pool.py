"""Folds in processes side by side."""

import concurrent.futures
import importlib
import multiprocessing
import multiprocessing.connection
import os
import signal
import threading

_MEMORY_OF_A_FOLD = 2 * 2**30  # bytes, TensorFlow included
_PAUSE = 0.2  # seconds between two looks at what the folds report


def fold_workers(folds):
    """How many folds to train at a time: as many as there are cores and memory for, and no more than folds.

    Args:
        folds: int, number of folds to train.

    Returns:
        An int, at least 1.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        free = _MEMORY_OF_A_FOLD * cores
    return max(1, min(cores, folds, free // _MEMORY_OF_A_FOLD))


def run_in_processes(function, jobs, workers, on_report=None):
    """Calls a function for every job, in processes that use one core each.

    One core each is faster than all cores for one after the other, since small networks keep no two cores busy, and the
    numbers do not depend on how many processes there are.

    Args:
        function: callable `(job, report)` at the top of a module, with a callable `report`.
        jobs: list of what to call it with; it is sent to the processes.
        workers: int, processes at a time.
        on_report: optional callable `(job's place, *what the function reported)`, called in this process.

    Yields:
        Pairs of a job's place and what the function returned for it, as they end. Where one raises, those under way
        are waited for; at an interrupt, or where no more pairs are asked for, all processes end at once.
    """
    context = multiprocessing.get_context("spawn")  # TensorFlow does not survive a fork
    reports = context.SimpleQueue()
    stop, stopper = context.Pipe(duplex=False)
    name = (function.__module__, function.__name__)
    pool = concurrent.futures.ProcessPoolExecutor(workers, context, _start_worker, (*name, reports, stop))
    try:
        waiting = {pool.submit(_run_job, place, job): place for place, job in enumerate(jobs)}
        while waiting:
            done, _ = concurrent.futures.wait(waiting, _PAUSE, return_when=concurrent.futures.FIRST_COMPLETED)
            while not reports.empty():
                report = reports.get()
                if on_report:
                    on_report(*report)
            for future in done:
                yield waiting.pop(future), future.result()
    except (KeyboardInterrupt, GeneratorExit):
        stopper.close()
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        stopper.close()
        stop.close()


def _start_worker(module, name, reports, stop):
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # at Ctrl-C all get one, and would go on with the next job
    # A worker whose parent was killed would go on, and write beside the run that resumes.
    threading.Thread(target=_end_with_parent, args=(stop,), daemon=True).start()
    from fer_keras.console import load_libraries

    for threads in ("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        os.environ[threads] = "1"
    load_libraries()  # before the function's module, which imports them with all their noise
    _run_job.function, _run_job.reports = getattr(importlib.import_module(module), name), reports


def _end_with_parent(stop):
    multiprocessing.connection.wait([multiprocessing.parent_process().sentinel, stop])  # `stop` is closed there
    os._exit(1)


def _run_job(place, job):
    return _run_job.function(job, lambda *report: _run_job.reports.put((place, *report)))
