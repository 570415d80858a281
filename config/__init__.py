"""The generic loader: YAML to typed settings, errors with file, line, key and remedy."""
