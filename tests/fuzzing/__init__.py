"""Random calls of every loss against the oracle: numbers, shapes, layouts, dtypes, weights, outputs, bad labels.

``python -m tests.fuzzing 600`` goes on for ten minutes, with other calls each time, and prints what it finds; with
``threads`` after it, arrays of any size are shared among threads. Where numba simulates a device
(``NUMBA_ENABLE_CUDASIM=1``), calls are made there and results compared with those of the CPU. tests/test_fuzz.py and
tests/cuda/test_simulator_fuzz.py make some of these calls.
"""
