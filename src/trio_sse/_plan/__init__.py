"""What is made of the routes once per app: plans, the router, URLs. Pure: it runs nothing."""

__all__ = ()
