"""Each move of a reference reaches who asked for it."""
