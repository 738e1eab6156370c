"""What everything else stands on: signatures and calls of functions, names for messages, shielded clean-up."""

__all__ = ()
