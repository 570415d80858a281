"""The deterministic router: state, step, evolve, matching. No I/O, no clock, no randomness."""
