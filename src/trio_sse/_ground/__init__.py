"""The lowest layer: signatures and calls of functions, names for messages, text, checks, shielded clean-up."""

__all__ = ()
