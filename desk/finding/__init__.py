"""Search and reports: what can be asked and what is answered. The index itself is ``broker.projections``."""
