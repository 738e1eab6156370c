"""Pages with a login: a form, a signed cookie, redirects, and a stream that ends with the session.

It needs `pip install trio-sse[forms] itsdangerous`. Start it from the project's root:

    trio-sse run examples.login:app

Then open http://127.0.0.1:8000/ and log in as ada, with the password "difference". A program is told of errors by
problem documents: curl -i http://127.0.0.1:8000/visits
"""

from __future__ import annotations

import os
import secrets
from datetime import datetime, timedelta

import attrs
from itsdangerous import BadSignature, URLSafeTimedSerializer

from trio_sse import SSE, App, Events, Get, Limits, Post, Redirect, Request, Response, run
from trio_sse.auth import cookie, same_secret
from trio_sse.errors import HTTPException
from trio_sse.topics import MemoryTopic

COOKIE = "__Host-session"
MAX_AGE = 7 * 24 * 3600
SIGNER = URLSafeTimedSerializer(os.environ.get("SESSION_KEY") or secrets.token_hex(32), salt="session")
PASSWORDS = {"ada": "difference"}  # for this example; store hashes

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>Visits</title>
"""

HOME = """<form method="post" action="/logout"><button>Log out</button></form>
<ul></ul>
<script>
  const source = new EventSource("/visits")
  source.addEventListener("visit", ({ data }) => {
    const item = document.createElement("li")
    item.textContent = data
    document.querySelector("ul").append(item)
  })
  source.onerror = () => { if (source.readyState === EventSource.CLOSED) location.assign("/login") }
</script>
"""

LOGIN = """<form method="post">
  <input name="name" required autocomplete="username">
  <input name="password" type="password" required autocomplete="current-password">
  <button>Log in</button>
</form>
"""


@attrs.frozen
class Login:
    """The form."""

    name: str
    password: str = attrs.field(repr=False)


@attrs.frozen
class Session:
    """What the cookie says. The stream ends when it expires."""

    name: str
    expires_at: datetime


class Visits:
    """Tells all pages who comes."""

    def __init__(self) -> None:
        self.topic = MemoryTopic[str]("visits")


def session_of(text: str) -> Session | None:
    """The session of a cookie; None if it is not one of ours, or too old."""
    try:
        name, signed_at = SIGNER.loads(text, max_age=MAX_AGE, return_timestamp=True)
    except BadSignature:
        return None
    return Session(name, signed_at + timedelta(seconds=MAX_AGE))


def from_our_pages(request: Request) -> bool:
    """Refuse the forms of other sites. Programs send no such header."""
    return request.headers.get("sec-fetch-site", "same-origin") == "same-origin"


def html(body: str, status: int = 200) -> Response:
    """A page."""
    return Response(PAGE + body, status=status, media_type="text/html; charset=utf-8")


def login_page() -> Response:
    """The form."""
    return html(LOGIN)


def log_in(form: Login) -> Response:
    """Set the cookie, and go on to the page with GET; or show the form again."""
    known = PASSWORDS.get(form.name, "")
    if not known or not same_secret(form.password, known):
        return html(f"<p>The name or the password is wrong.</p>{LOGIN}", status=403)
    return Redirect("/").set_cookie(COOKIE, SIGNER.dumps(form.name), max_age=MAX_AGE)


def log_out() -> Response:
    """Delete the cookie."""
    return Redirect("/login").delete_cookie(COOKIE)


def home(user: Session) -> Response:
    """The page of those who are logged in."""
    return html(HOME)


async def visits(user: Session, visits: Visits) -> Events:
    """Tell the others, and then the page."""
    others = aiter(visits.topic)
    await visits.topic.publish(user.name)
    async for name in others:
        yield {"event": "visit", "data": name}


def error_response(error: HTTPException, request: Request) -> Response:
    """A page for a browser, the form in place of a 401; for programs a problem document."""
    if "text/html" not in (request.accept or ""):
        return Response(error.problem(), status=error.status, media_type="application/problem+json")
    return Redirect("/login") if error.status == 401 else html(f"<h1>{error.title}</h1>", error.status)


logged_in = cookie(session_of, name=COOKIE)

app = (
    App(limits=Limits(origins=()), error_response=error_response)
    .provide(Visits)
    .add(
        Get("/").use(user=logged_in).handle(home),
        SSE("/visits").use(user=logged_in).handle(visits),
        Get("/login").handle(login_page),
        Post("/login").guard(from_our_pages).form(Login).handle(log_in),
        Post("/logout").guard(from_our_pages).handle(log_out),
    )
)

if __name__ == "__main__":
    run(app, bind="127.0.0.1:8000")
