"""The router's shell and everything that follows the log: records in and out, snapshots, people, archive."""
