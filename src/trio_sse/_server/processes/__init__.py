"""Several processes that serve one app: a master, and workers that share its listening sockets."""

__all__ = ()
