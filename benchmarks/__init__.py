"""Benchmarks: real processes, a real nats-server, and a floor measured in the same run."""
