"""Orders: a service whose state lives in a database, SQLite in a file or PostgreSQL, and whose changes are streamed.

    pip install sqlalchemy "psycopg[binary]"
    python -m examples.orders
    ORDERS_DATABASE=postgresql://user@host/orders python -m examples.orders

Place an order, follow it, and change it from another terminal:

    curl -H "Authorization: Bearer ada-token" --json '{"item": "Assam"}' http://127.0.0.1:8000/orders
    curl -N -H "Authorization: Bearer ada-token" http://127.0.0.1:8000/orders/1/events
    curl -H "Authorization: Bearer clerk-token" --json '{"status": "paid"}' http://127.0.0.1:8000/orders/1

The modules, from the inside out: `domain` (values), `database` (transactions in threads), `repository` (rows become
values), `service` (change, then tell), `users`, `controller` (routes), `app` (what makes what).
"""
