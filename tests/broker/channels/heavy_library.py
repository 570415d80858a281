"""Stands for a library that takes long to import: remembers who imported it."""

import threading

IMPORTED_BY = threading.current_thread()
