"""What processes and threads do to a call: scenes that tests/test_threads.py plays, each in a process of its own.

Each calls on arrays large enough for threads, and must come to an end, with the bits of one thread.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

import nbloss
from nbloss import _parallel
from nbloss._cpu import pointwise

N = 300_000
RNG = np.random.default_rng(0)
Y, Z = RNG.standard_normal(N), RNG.standard_normal(N)
LOSS = nbloss.Huber(delta=0.5)


def call(_: Any = None) -> tuple[bytes, float]:
    return LOSS.gradient(Y, Z).tobytes(), float(LOSS(Y, Z))


with nbloss.set_num_threads(1):
    EXPECTED = call()


def in_child(work: Any) -> None:
    """Run *work* in a forked child, which must come to an end."""
    sys.stdout.flush()
    child = os.fork()
    if child == 0:
        signal.alarm(60)
        try:
            work()
        except BaseException as error:
            print(repr(error), file=sys.stderr, flush=True)
            os._exit(1)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def assert_right() -> None:
    assert call() == EXPECTED


def python_threads() -> None:
    barrier = threading.Barrier(4)

    def work(_: int) -> bool:
        barrier.wait()
        return all(call() == EXPECTED for _ in range(20))

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(4)))


def joblib_threads_and_forks() -> None:
    from joblib import Parallel, delayed

    assert_right()
    for backend in ("threading", "multiprocessing"):
        assert Parallel(n_jobs=3, backend=backend)(delayed(call)() for _ in range(6)) == [EXPECTED] * 6


def joblib_processes() -> None:
    from joblib import Parallel, delayed

    assert_right()
    assert Parallel(n_jobs=2, backend="loky")(delayed(call)() for _ in range(4)) == [EXPECTED] * 4


def spawned() -> None:
    assert_right()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.map(call, range(2)) == [EXPECTED] * 2


def forked_after_use() -> None:
    assert_right()
    assert_used()

    def work() -> None:
        assert_right()
        assert not _parallel.is_allowed(N)
        in_child(assert_right)

    in_child(work)
    assert _parallel.is_allowed(N)
    assert_right()


def forked_before_use() -> None:
    def work() -> None:
        assert_right()
        assert_used()

    in_child(work)
    work()


def forked_during_a_call() -> None:
    stop = threading.Event()

    def keep_on() -> None:
        while not stop.is_set():
            assert_right()

    thread = threading.Thread(target=keep_on)
    thread.start()
    try:
        held = 0
        for _ in range(20):
            time.sleep(0.002)
            held += _parallel._turn.locked()
            in_child(work_after_fork)
        assert held, "no call was running at any of the forks"
    finally:
        stop.set()
        thread.join()


def work_after_fork() -> None:
    assert not _parallel._turn.locked()
    assert_right()


def forked_while_compiling() -> None:
    fresh = nbloss.PseudoHuber()
    fresh._program.kernels.clear()
    thread = threading.Thread(target=lambda: (fresh.gradient(Y, Z), fresh.hessian(Y, Z), fresh(Y, Z)))
    thread.start()
    while thread.is_alive():
        in_child(lambda: (nbloss.LogCosh().gradient(Y[:10], Z[:10]), assert_right()))
        time.sleep(0.02)


def dask_threads() -> None:
    import dask

    tasks = [dask.delayed(call)(i) for i in range(8)]
    assert list(dask.compute(*tasks, scheduler="threads", num_workers=4)) == [EXPECTED] * 8


def dask_worker() -> None:
    from distributed import Client

    own = nbloss.get_num_threads()
    with Client(n_workers=1, threads_per_worker=3, processes=False, dashboard_address=None) as client:
        assert client.submit(nbloss.get_num_threads).result() == 3 != own
        assert client.submit(call).result() == EXPECTED
    assert nbloss.get_num_threads() == own


def catboost_threads() -> None:
    """CatBoost calls from threads of its own, with at most 1000 rows: threads are forced on them here."""
    import catboost

    pointwise.PARALLEL_FROM = 1

    class Objective:
        no_jit = True

        def __deepcopy__(self, memo: Any) -> Any:
            return self

        def calc_ders_range(self, approxes: Any, targets: Any, weights: Any) -> Any:
            z, y = np.asarray(approxes), np.asarray(targets, np.float64)
            return -np.stack(LOSS.gradient_and_hessian(y, z), 1)

    x = RNG.standard_normal((5000, 3))
    model = catboost.CatBoostRegressor(
        loss_function=Objective(), eval_metric="RMSE", iterations=3, thread_count=4, verbose=False, logging_level=None,
        allow_writing_files=False, depth=2, leaf_estimation_iterations=1,
    )  # fmt: skip
    model.fit(x, x[:, 0])
    assert np.ptp(model.predict(x)) > 0


def other_families() -> None:
    """Losses that sort, and those of groups, whose kernels come one after the other: from threads, and in a child."""
    sizes, labels = [300] * (N // 300), RNG.integers(0, 2, N)
    calls = (
        lambda: nbloss.LovaszHinge().gradient(labels, Z).tobytes(),
        lambda: nbloss.RankNet().gradient(labels, Z, groups=sizes).tobytes(),
        lambda: nbloss.Cox().gradient((Y, labels), Z, groups=sizes).tobytes(),
    )
    with nbloss.set_num_threads(1):
        expected = [one() for one in calls]
    assert [one() for one in calls] == expected
    with ThreadPoolExecutor(4) as pool:
        for k in range(3):
            assert set(pool.map(lambda _, one=calls[k]: one(), range(8))) == {expected[k]}
    assert_used()

    def work() -> None:
        assert [one() for one in calls] == expected

    in_child(work)
    work()


def own_kernels() -> None:
    """What the user has set for numba, and kernels of theirs, stay as they are."""
    import numba

    @numba.njit(parallel=True)
    def count(n: int) -> int:
        total = 0
        for _ in numba.prange(n):
            total += 1
        return total

    assert_right()  # which also finds tbb
    assert count(1000) == 1000
    numba.set_num_threads(3)
    assert_right()
    assert numba.get_num_threads() == 3
    with nbloss.set_num_threads(2):
        assert_right()
    assert numba.get_num_threads() == 3 and count(1000) == 1000


def threads_of_all_kinds() -> None:
    python_threads()
    dask_threads()
    catboost_threads()
    own_kernels()


def assert_used() -> None:
    """Check that the last call had threads of the layer that was asked for."""
    import numba

    assert numba.threading_layer() == os.environ.get("NUMBA_THREADING_LAYER", "tbb")


def forked_from_lightgbm() -> None:
    """Its OpenMP is that of numba; numba's threads were not started before the fork."""
    import lightgbm

    x = RNG.standard_normal((20_000, 5))
    lightgbm.train({"verbosity": -1, "num_threads": 2}, lightgbm.Dataset(x, x[:, 0]), num_boost_round=2)
    in_child(assert_right)


def beside_another_openmp() -> None:
    """Threads are used where much is to be done, and end with the call: idle ones would hold the cores."""
    import numba

    before = threads_of_process()
    assert_right()
    assert numba.threading_layer() == "omp" and _parallel.is_allowed(N)
    assert threads_of_process() == before + 3  # alone, they wait for the next call
    from sklearn.utils import _openmp_helpers as helpers

    assert helpers._openmp_parallelism_enabled()
    assert _parallel.is_allowed(N), "nobody uses what scikit-learn has brought"
    import sklearn._loss  # noqa: F401

    assert not _parallel.is_allowed(N) and _parallel.is_allowed(_parallel.BESIDE_OPENMP)
    assert_right()
    before = threads_of_process()
    _parallel.BESIDE_OPENMP = N
    assert_right()
    assert threads_of_process() == before - 3


def sharing_openmp() -> None:
    """numba comes to use the OpenMP of scikit-learn, which XGBoost and LightGBM then use, too."""
    before, settings = in_use_by_scikit_learn(), settings_of_openmp()
    assert_right()
    assert _parallel._layer() == "omp" and _parallel.is_allowed(N)
    assert (threads_of_process(), settings_of_openmp()) == (before, settings)
    x = RNG.standard_normal((20_000, 5))
    import xgboost

    xgboost.train({"nthread": 4}, xgboost.DMatrix(x, x[:, 0]), 2)
    import lightgbm

    lightgbm.train({"verbosity": -1, "num_threads": 4}, lightgbm.Dataset(x, x[:, 0]), num_boost_round=2)
    assert_right()
    assert threads_of_process() == before and _parallel.is_allowed(N)
    in_child(assert_right)
    python_threads()


def sharing_openmp_beside_lightgbm() -> None:
    """LightGBM was there first: it uses that of the system, and so two are in use."""
    import lightgbm  # noqa: F401

    in_use_by_scikit_learn()
    assert_right()
    assert not _parallel.is_allowed(N) and _parallel.is_allowed(_parallel.BESIDE_OPENMP)


def forked_from_scikit_learn() -> None:
    """Its OpenMP was used before the fork: the child must not wait for threads that are not there."""
    in_use_by_scikit_learn()
    in_child(assert_right)
    assert_right()


def in_use_by_scikit_learn() -> int:
    """Let scikit-learn use four threads; return how many there are."""
    from sklearn._loss import HuberLoss

    gradient, hessian = np.empty(N), np.empty(N)
    HuberLoss().gradient_hessian(Y, Z, gradient_out=gradient, hessian_out=hessian, n_threads=4)
    return threads_of_process()


def settings_of_openmp() -> list[int]:
    from nbloss import _openmp

    library = _openmp._opened()
    return [library.omp_get_max_threads(), library.omp_get_nested()]


def threads_of_process() -> int:
    return len(os.listdir("/proc/self/task"))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
