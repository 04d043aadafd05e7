"""The commands of :mod:`nbloss.__main__`, one a file."""
