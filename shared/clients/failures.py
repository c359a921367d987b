"""Bad answers, and none at all, as errors of `shared/core/errors.py`."""

import logging
from json import JSONDecodeError

import httpx

from shared.core import errors, problem

log = logging.getLogger(__name__)

PEER_AWAY = "peer_away"
"""The member of a problem that says: not this service is away, but one that it asks."""


def raise_for_problem(response: httpx.Response, within: bool = False) -> None:
    """Raise the ISEError for a bad answer, whose body must have been read.

    `within`: one of our services is the caller, so a refused key is not the user's fault.
    """
    if response.is_success:
        return
    try:
        body = response.json()
    except (JSONDecodeError, UnicodeDecodeError):
        body = None
    if not isinstance(body, dict):
        body = {"detail": f"{response.request.url} answered {response.status_code}."}
    error = problem.from_body(response.status_code, body)
    url = response.request.url
    raise _within(error, f"{url.scheme}://{url.netloc.decode()}") if within else error


def _within(error: errors.ISEError, where: str) -> errors.ISEError:
    """Return an error between services in the form shown to users, who did not configure them."""
    if isinstance(error, errors.ForeignHost):
        return errors.Unavailable(
            f"The service at {where} doesn't accept this host name. Add it to "
            "ISE_ALLOWED_HOSTS of that service."
        )
    if isinstance(error, errors.Unauthorized):
        return errors.Unavailable(
            f"The service at {where} refuses the key of the calling service: "
            "ISE_API_KEY differs between them. Set the same key for all services and "
            "restart them."
        )
    return error


def timed_out(error: httpx.TransportError | TimeoutError) -> bool:
    """Return whether an answer didn't come in time."""
    return isinstance(error, httpx.TimeoutException | TimeoutError)


def unreachable(
    base_url: str, error: httpx.TransportError | TimeoutError, within: bool
) -> errors.ISEError:
    """Return the error for a call that got no answer, which is the network's fault or our own."""
    if isinstance(error, httpx.LocalProtocolError):
        log.error("a call to %s can't be made", base_url, exc_info=error)
        return errors.ISEError(f"The call to {base_url} can't be made: {error}.")
    if isinstance(error, httpx.PoolTimeout):
        return errors.Unavailable(
            f"All connections to {base_url} are in use by other calls; try again in a second.",
            retry_after=1,
        )
    # The caller of our service needn't see addresses behind it.
    extra = {PEER_AWAY: True} if within else {}
    if timed_out(error):
        return errors.Unavailable(f"{base_url} did not answer in time.", retry_after=5, **extra)
    return errors.Unavailable(
        f"Nothing answers at {base_url} ({error}). Start the services with `ise up`.",
        retry_after=5,
        **extra,
    )
