"""These tests need the packages of the extra "recipes", which are large: without them nothing is collected here."""

import importlib.util

collect_ignore_glob = [] if all(map(importlib.util.find_spec, ("jax", "keras", "optax", "torch"))) else ["test_*.py"]
