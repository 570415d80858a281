"""The index of everything said and done: a disposable projection of log and archive, for search and reports."""
