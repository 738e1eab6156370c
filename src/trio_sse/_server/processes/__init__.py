"""Several processes that serve one app: a master, and workers that share its sockets."""

__all__ = ()
