"""What users write: routes, controllers, steps, providers and limits, as immutable values.

Owns what an app declares. Nothing here knows how it is planned (`_plan`) or run (`_runtime`).
"""

__all__ = ()
