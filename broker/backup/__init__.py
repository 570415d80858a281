"""A workspace as a folder: copied while it runs, checked, and brought back where there is none."""
