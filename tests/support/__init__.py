"""What the tests share: an in-memory ASGI client on Trio's clock."""
