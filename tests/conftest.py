"""What holds for all tests."""

import gc

# numba makes millions of objects while it compiles, of which hardly any is garbage: looking for it as often as Python
# does by default took 4.1 of the 30.3 s of tests/test_semantics.py from a cold cache, now 1.2 of 25.5
gc.set_threshold(100_000, 20, 20)
