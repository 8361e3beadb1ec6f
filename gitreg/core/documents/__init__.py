"""Reading and writing documents: strict YAML, foreign YAML, fields."""
