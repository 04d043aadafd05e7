"""The functions that formulas use, on one number each, for every target.

Here they are plain Python on :mod:`math`, which keeps the type of its argument, so that a formula can be stepped
through. Compiled code uses :mod:`nbloss._cpu.math` and :mod:`nbloss._cuda.math` in their place.
"""
