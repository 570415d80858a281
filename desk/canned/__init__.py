"""Canned answers: as screens list them, and as files and tables that are taken in."""
