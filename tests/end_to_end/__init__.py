"""Tests over real sockets: hypercorn serves, and programs that others wrote are the clients."""
