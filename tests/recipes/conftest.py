"""These tests need the packages of the extra "recipes", which are large: without them nothing is collected here."""

import importlib.util

collect_ignore_glob = [] if importlib.util.find_spec("torch") and importlib.util.find_spec("keras") else ["test_*.py"]
