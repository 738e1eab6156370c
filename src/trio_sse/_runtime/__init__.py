"""What runs for each request: the connection with its three tasks, steps, services, responses."""

__all__ = ()
