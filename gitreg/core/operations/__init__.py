"""One file an operation: a function from (state, request) to a `Change`. None writes anything."""
