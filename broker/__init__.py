"""Everything that runs: the bus, streams, leases, the router's shell, channel workers, HTTP server, command line."""
