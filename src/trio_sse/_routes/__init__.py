"""What users write: routes, controllers, steps, providers and limits, as immutable values.

Owns what an app declares. It does not know how that is planned (`_plan`) or run (`_runtime`).
"""

__all__ = ()
