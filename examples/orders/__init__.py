"""Orders: a service whose state is in a database, an SQLite file or PostgreSQL, and whose changes are streamed.

    pip install sqlalchemy "psycopg[binary]"
    python -m examples.orders
    ORDERS_DATABASE=postgresql://user@host/orders python -m examples.orders

Place an order, follow it, and change it from another terminal:

    curl -H "Authorization: Bearer ada-token" --json '{"item": "Assam"}' http://127.0.0.1:8000/orders
    curl -N -H "Authorization: Bearer ada-token" http://127.0.0.1:8000/orders/1/events
    curl -H "Authorization: Bearer clerk-token" --json '{"status": "paid"}' http://127.0.0.1:8000/orders/1

The modules, lowest first: `domain` (values), `database` (transactions in threads), `repository` (from rows to values),
`service` (change, then publish), `users`, `controller` (routes), `app` (services).
"""
