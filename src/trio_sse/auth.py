"""Authentication: steps for `.use(user=…)`, made from a verifier of the application.

Owns the contract of a verifier, and what its result means. It does not know users, sessions, tokens or password hashes:
the verifier gets the credentials that the client sent, and returns the principal, such as a user.

A verifier is a function, sync or async. Its first parameter is the credential (for `basic` the first two are the user
name and the password). Further parameters are passed by name, as for any step. It returns the principal; None is a 401.

A `ValueError`, which `UUID(token)` or `bytes.fromhex(token)` raises for a text that a client has made up, is a 401 too.
Since it may also be a mistake in the verifier, it is logged as a warning, without its message. Other exceptions
propagate: a `Forbidden` is a 403, and an `Unauthorized` that sets its own challenge keeps it.

If the principal has an attribute `expires_at` that is not None, an aware `datetime` or seconds since 1970, its stream
ends at that time, as with a call of `expire_at`.

Every 401 has a challenge (RFC 9110, 15.5.2). Malformed credentials are a 401 too, and do not reach the verifier: a
header that is sent twice, or a character that credentials cannot have. No message and no repr shows credentials or
secrets.
"""

from __future__ import annotations

import functools
import hmac
import inspect
import logging
import traceback
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeVar, Union, cast, get_args, get_origin, overload

import attrs

from ._ground.calls import Call, Kind, kind_of
from ._ground.naming import describe
from ._ground.signatures import UNIONS, UNKNOWN, parameters_of, return_annotation
from ._http.credentials import UNREADABLE, Scheme, basic_scheme, bearer_scheme, cookie_scheme, header_scheme
from ._runtime.steps import call
from .errors import BuildError, HTTPException, StepError, Unauthorized

__all__ = ("api_key", "basic", "bearer", "cookie", "fixed_passwords", "fixed_secrets", "same_secret")

P = TypeVar("P")
"""The principal: what a verifier returns for valid credentials."""

REALM: Final = "app"
ANSWERS: Final = "it returns the principal, or None to refuse"
UNCHOSEN: Final = (None, *Unauthorized().headers.values())
"""The challenges of a 401 whose author has not set one."""

logger: Final = logging.getLogger("trio_sse")


@overload
def bearer(verify: Callable[..., Awaitable[P | None]], *, realm: str = ...) -> Callable[..., Awaitable[P]]: ...
@overload
def bearer(verify: Callable[..., P | None], *, realm: str = ...) -> Callable[..., Awaitable[P]]: ...
def bearer(verify: Callable[..., Any], *, realm: str = REALM) -> Callable[..., Awaitable[Any]]:
    """A step that reads `Authorization: Bearer …` (RFC 6750, 2.1).

    The 401 has no error code if no bearer token was sent, and `error="invalid_token"` if the token was refused or has
    expired (RFC 6750, 3.1).

    Args:
        verify: Gets the token: letters, digits, `-._~+/`, and `=` at its end.
        realm: The protection space (RFC 9110, 11.5), in printable ASCII.

    Raises:
        BuildError: The verifier cannot be called with a token, or the realm cannot be sent.
    """
    return _step("bearer", verify, bearer_scheme(realm))


@overload
def api_key(
    verify: Callable[..., Awaitable[P | None]], *, header: str = ..., realm: str = ...
) -> Callable[..., Awaitable[P]]: ...
@overload
def api_key(verify: Callable[..., P | None], *, header: str = ..., realm: str = ...) -> Callable[..., Awaitable[P]]: ...
def api_key(
    verify: Callable[..., Any], *, header: str = "x-api-key", realm: str = REALM
) -> Callable[..., Awaitable[Any]]:
    """A step that reads a key from a separate header.

    A 401 has to name a scheme (RFC 9110, 15.5.2), and none is registered for this. The challenge is `ApiKey`, with the
    name of the header: `Bearer` would be wrong, and `Basic` makes a browser ask for a password.

    Args:
        verify: Gets the key: printable ASCII, not empty.
        header: The header's name, in any case.
        realm: The protection space (RFC 9110, 11.5), in printable ASCII.

    Raises:
        BuildError: The verifier cannot be called with a key, or the realm or the header cannot be sent.
    """
    return _step("api_key", verify, header_scheme(header, realm))


@overload
def cookie(
    verify: Callable[..., Awaitable[P | None]], *, name: str = ..., realm: str = ...
) -> Callable[..., Awaitable[P]]: ...
@overload
def cookie(verify: Callable[..., P | None], *, name: str = ..., realm: str = ...) -> Callable[..., Awaitable[P]]: ...
def cookie(verify: Callable[..., Any], *, name: str = "session", realm: str = REALM) -> Callable[..., Awaitable[Any]]:
    """A step that reads a cookie: the only credential that a page can make an EventSource send.

    A 401 has to name a scheme (RFC 9110, 15.5.2), and none is registered for this. The challenge is `Cookie`, with the
    parameter `cookie-name`, as draft-broyer-http-cookie-auth proposed. Browsers ignore it.

    Args:
        verify: Gets the cookie's value: printable ASCII, not empty, not decoded in any way.
        name: The cookie's name; upper and lower case differ.
        realm: The protection space (RFC 9110, 11.5), in printable ASCII.

    Raises:
        BuildError: The verifier cannot be called with a value, or the realm or the cookie cannot be sent.
    """
    return _step("cookie", verify, cookie_scheme(name, realm))


@overload
def basic(verify: Callable[..., Awaitable[P | None]], *, realm: str = ...) -> Callable[..., Awaitable[P]]: ...
@overload
def basic(verify: Callable[..., P | None], *, realm: str = ...) -> Callable[..., Awaitable[P]]: ...
def basic(verify: Callable[..., Any], *, realm: str = REALM) -> Callable[..., Awaitable[Any]]:
    """A step that reads `Authorization: Basic …` (RFC 7617), in UTF-8. The 401 makes a browser ask for a password.

    Args:
        verify: Gets the user name, which has no colon, and the password. Neither has control characters; either may be
            empty.
        realm: The protection space (RFC 9110, 11.5), in printable ASCII. Some browsers show it.

    Raises:
        BuildError: The verifier cannot be called with both, or the realm cannot be sent.
    """
    return _step("basic", verify, basic_scheme(realm))


# -- verifiers for secrets that do not change


def same_secret(given: str, known: str) -> bool:
    """Whether two texts are equal, in a time that does not depend on where they differ.

    `==` returns at the first difference, so that its time reveals a secret character by character. The length of the
    secret is not protected.
    """
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), known.encode("utf-8", "surrogatepass"))


def fixed_secrets(principals: Mapping[str, P]) -> Callable[[str], P | None]:
    """A verifier for secrets that do not change: `api_key(fixed_secrets({KEY: "dashboard"}))`.

    It compares with all of them each time, as `same_secret` does. Use it for a few long random secrets.

    Args:
        principals: The principal for each secret. The mapping is copied.

    Raises:
        BuildError: There are no secrets, or one is empty or not a text.
    """
    entries = tuple(principals.items())
    if not entries or not all(_is_secret(secret) for secret, _ in entries):
        raise BuildError("fixed_secrets() takes principals by secret, which is text and not empty: was it ever set?")

    def verify(secret: str) -> P | None:
        found: P | None = None
        for known, principal in entries:  # all of them: an early return would reveal which one it was
            found = principal if same_secret(secret, known) else found
        return found

    verify.__qualname__ = "fixed_secrets"
    return verify


def fixed_passwords(passwords: Mapping[str, str]) -> Callable[[str, str], str | None]:
    """A verifier for `basic` with a few users whose passwords do not change; the principal is the user name.

    It compares with all of them each time, as `same_secret` does. The passwords are in memory in clear, so use it for
    machines only: write a verifier that compares hashes for the passwords of people.

    Args:
        passwords: The passwords by user name. The mapping is copied.

    Raises:
        BuildError: There are none; one is empty or not a text; a user name has a colon (RFC 7617, 2).
    """
    pairs = passwords.items()
    if not pairs or not all(_is_secret(user) and ":" not in user and _is_secret(password) for user, password in pairs):
        raise BuildError(
            "fixed_passwords() takes passwords by user name; both are text and not empty, and a user name has no colon"
        )
    known = fixed_secrets({f"{user}:{password}": user for user, password in pairs})

    def verify(username: str, password: str) -> str | None:
        return known(f"{username}:{password}")

    verify.__qualname__ = "fixed_passwords"
    return verify


def _is_secret(value: object) -> bool:
    return isinstance(value, str) and value != ""


# -- the steps


@attrs.frozen
class _Verifier:
    """The application's function, its name in messages, how it is called, and its signature without the credentials."""

    function: Callable[..., Any]
    name: str
    kind: Kind
    signature: inspect.Signature

    async def ask(self, credentials: tuple[str, ...], values: Mapping[Any, Any]) -> Any:
        """The principal, or None. A ValueError counts as None: the verifier cannot read the credentials.

        Raises:
            StepError: It returned True or False, or a coroutine although it is not an async function.
        """
        # A parameter whose name is not among the values has a default: the planner has checked that.
        sources = tuple((name, name) for name in self.signature.parameters if name in values)
        verify = Call(functools.partial(self.function, *credentials), self.kind, sources)
        try:
            principal = await call(verify, values)
        except ValueError as error:  # its message, which is not logged, may show the credentials
            where = _place_of(error)
            logger.warning("%s: %s at %s; the credentials are refused", self.name, type(error).__name__, where)
            return None
        if isinstance(principal, bool):
            raise StepError(f"{self.name}: the verifier returned {principal}; {ANSWERS}")
        return principal


def _step(maker: str, verify: Callable[..., Any], scheme: Scheme) -> Callable[..., Awaitable[Any]]:
    verifier = _verifier(maker, verify, scheme)

    async def step(**values: Any) -> Any:
        credentials = scheme.read(values["request"])
        if credentials is None:
            raise Unauthorized("The request has no credentials.", challenge=scheme.challenge)
        try:
            principal = None if credentials == UNREADABLE else await verifier.ask(credentials, values)
            return _admit(principal, values["expire_at"], scheme.refusal)
        except HTTPException as error:
            _complete(error, scheme.refusal)
            raise

    _sign(step, verifier)
    return step


def _place_of(error: Exception) -> str:
    """The line of the verifier that has raised an error."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        if frame.f_globals.get("__name__", "").partition(".")[0] != "trio_sse":
            return f"{frame.f_code.co_filename}:{line}, in {frame.f_code.co_qualname}"
    return "an unknown line"  # of a builtin function, such as bytes.fromhex


def _admit(principal: P | None, expire_at: Callable[[Any, str], None], challenge: str) -> P:
    """Admit a principal, until it expires.

    Raises:
        Unauthorized: There is none, or it has expired.
    """
    if principal is None:
        raise Unauthorized("The credentials are not valid.")
    expires_at = getattr(principal, "expires_at", None)
    if expires_at is not None:
        expire_at(expires_at, challenge)
    return principal


def _complete(error: HTTPException, challenge: str) -> None:
    """Set the challenge of a 401, unless its author has set one."""
    if error.status == Unauthorized.default_status and error.headers.get("www-authenticate") in UNCHOSEN:
        error.headers["www-authenticate"] = challenge


def _sign(step: Any, verifier: _Verifier) -> None:
    """Set the name and the signature of a step, so that the planner treats it as one that is written by hand.

    It takes the request, `expire_at`, and what the verifier takes. If the verifier takes one of the two as well, the
    step has the verifier's annotation for it.
    """
    own = {name: inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY) for name in ("request", "expire_at")}
    signature = verifier.signature.replace(parameters=list((own | dict(verifier.signature.parameters)).values()))
    annotations = {name: each.annotation for name, each in signature.parameters.items()}
    annotations["return"] = signature.return_annotation
    step.__name__ = step.__qualname__ = verifier.name
    step.__signature__ = signature
    step.__annotations__ = {name: each for name, each in annotations.items() if each is not UNKNOWN}


# -- what is checked when a step is made


def _verifier(maker: str, verify: Callable[..., Any], scheme: Scheme) -> _Verifier:
    if not callable(verify):  # the message does not show it, since it may be the secret itself
        raise BuildError(f"{maker}() takes a function that verifies, not a value of type {type(verify).__name__}")
    function = _as_function(verify)
    name = f"{maker}({describe(function).removesuffix('()')})"
    kind = kind_of(function)
    if kind not in (Kind.SYNC, Kind.ASYNC):
        raise BuildError(f"{name}: the verifier yields; {ANSWERS}")
    return _Verifier(function, name, kind, _signature(function, name, scheme.credentials))


def _as_function(verify: Any) -> Any:
    """A function, or the method `__call__` of an object, whose repr may show secrets and must not name the step."""
    is_function = hasattr(verify, "__qualname__") or hasattr(verify, "func")  # the latter is a functools.partial
    return verify if is_function else verify.__call__


def _signature(function: Callable[..., Any], name: str, credentials: tuple[str, ...]) -> inspect.Signature:
    """The signature of a verifier, without the credentials and without None among what it returns."""
    rest = functools.partial(function, *credentials)
    try:
        found = inspect.signature(rest).parameters
    except (TypeError, ValueError):  # it takes fewer, or it is a builtin without a signature
        call = f"verify({', '.join(credentials)})"
        raise BuildError(f"{name}: a verifier is called with what the client has sent, as in {call}") from None
    named = parameters_of(functools.partial(rest, *_without_name(found)))
    by_name = [
        found[each.name].replace(kind=inspect.Parameter.KEYWORD_ONLY, annotation=each.annotation) for each in named
    ]
    return inspect.Signature(by_name, return_annotation=_principal_type(function, name))


def _without_name(parameters: Mapping[str, inspect.Parameter]) -> list[Any]:
    """The defaults of positional-only parameters, which cannot be passed by name: `sessions.get` is a verifier too."""
    only = (each for each in parameters.values() if each.kind is inspect.Parameter.POSITIONAL_ONLY)
    return [each.default for each in only if each.default is not inspect.Parameter.empty]


def _principal_type(function: Callable[..., Any], name: str) -> Any:
    returns = return_annotation(function)
    if get_origin(returns) in UNIONS:
        returns = cast("Any", Union)[tuple(part for part in get_args(returns) if part is not type(None))]
    if returns is bool:
        raise BuildError(f"{name}: the verifier is annotated to return bool; {ANSWERS}")
    return returns
