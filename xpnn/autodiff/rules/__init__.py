"""The rules: what each operation gives, and how a gradient goes back through it."""
