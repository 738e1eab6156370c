"""What users write: routes, controllers, steps, providers and limits, as immutable values."""

__all__ = ()
