"""One tree of errors. Status, code and "would a retry help" are facts of the class.

    FarthingError
    ├── ConfigError                      never leaves the process; printed at start or on reload
    ├── InvalidRequest           400
    │   ├── BadJson, TooDeep, UnsupportedFeature, InputTooLong, GuardrailBlocked
    │   └── BodyTooLarge         413
    ├── NotAuthenticated         401     missing, wrong, expired or revoked key
    ├── NotPermitted             403
    ├── NotFound                 404     route, model
    │   └── ModelNotFound, TierEmpty
    ├── MethodNotAllowed         405
    ├── LimitReached             429
    │   ├── RateLimited                  Retry-After says when
    │   ├── BudgetExceeded               a retry does not help
    │   │   └── PriceUnknown             money is limited, and nobody knows what the model costs
    │   └── CapReached                   a run asked for more than its endpoint allows
    ├── Upstream                 502
    │   ├── UpstreamUnreachable, UpstreamBroken, UpstreamRefused, RecordedAnswerMissing, AddressRefused
    │   ├── UpstreamTimeout      504
    │   └── UpstreamResting, UpstreamBusy, UpstreamCrowded 503   circuit breaker open; all connections taken; its own queue too long
    ├── AnswerInvalid            502     the answer broke the caller's schema after repair and escalation
    └── Unavailable              503     overloaded, draining, or the store cannot write
        └── StoreUnavailable, PutOff

Every message says what happened, where, and what to change.
"""

from collections.abc import Sequence


class FarthingError(Exception):
    """Root. `retry` is what SDKs read from `x-should-retry`; `None` leaves it to them."""

    status = 500
    type = "server_error"
    code = "internal_error"
    retry: bool | None = None

    def __init__(self, message: str, *, param: str | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.retry_after_s = retry_after_s


class ConfigError(FarthingError):
    """The configuration cannot be used; the message names the key and the fix."""

    code = "config_error"


class InvalidRequest(FarthingError):
    status = 400
    type = "invalid_request_error"
    code = "invalid_request"
    retry = False


class BadJson(InvalidRequest):
    code = "invalid_json"


class TooDeep(InvalidRequest):
    code = "json_too_deep"


class UnsupportedFeature(InvalidRequest):
    """The chosen upstream speaks another dialect and this feature has no counterpart there."""

    code = "unsupported_feature"


class InputTooLong(InvalidRequest):
    code = "context_length_exceeded"


class GuardrailBlocked(InvalidRequest):
    code = "content_policy_violation"


class BodyTooLarge(InvalidRequest):
    status = 413
    code = "request_too_large"


class NotAuthenticated(FarthingError):
    status = 401
    type = "authentication_error"
    code = "invalid_api_key"
    retry = False


class NotPermitted(FarthingError):
    status = 403
    type = "permission_error"
    code = "permission_denied"
    retry = False


class NotFound(FarthingError):
    status = 404
    type = "invalid_request_error"
    code = "not_found"
    retry = False


class ModelNotFound(NotFound):
    code = "model_not_found"

    def __init__(self, model: str, suggestions: Sequence[str] = ()) -> None:
        hint = f" Did you mean {', '.join(suggestions)}?" if suggestions else " GET /v1/models lists what is served."
        super().__init__(f"The model '{model}' is not served by this gateway.{hint}", param="model")


class TierEmpty(NotFound):
    """A tier was asked for by name and no model is configured for it."""

    code = "model_not_found"


class MethodNotAllowed(FarthingError):
    status = 405
    type = "invalid_request_error"
    code = "method_not_allowed"
    retry = False


class LimitReached(FarthingError):
    status = 429
    type = "rate_limit_error"
    code = "rate_limit_exceeded"


class RateLimited(LimitReached):
    retry = True


class BudgetExceeded(LimitReached):
    type = "insufficient_quota"
    code = "budget_exceeded"
    retry = False


class PriceUnknown(BudgetExceeded):
    code = "price_unknown"


class CapReached(LimitReached):
    type = "insufficient_quota"
    code = "cap_reached"
    retry = False


class Upstream(FarthingError):
    """The fault lies behind us. `attempts` is how often we tried."""

    status = 502
    type = "upstream_error"
    code = "upstream_error"
    attempts = 1


class UpstreamUnreachable(Upstream):
    code = "upstream_unreachable"


class AddressRefused(Upstream):
    """A host that a flow asks has an address that it must not ask."""

    code = "address_refused"
    retry = False


class UpstreamBroken(Upstream):
    """It answered, but not with something that its protocol allows."""

    code = "upstream_broken"


class UpstreamRefused(Upstream):
    """It answered with an error of its own, which the caller gets unmodified where dialects agree."""

    code = "upstream_refused"

    def __init__(self, message: str, *, status: int, body: bytes, content_type: str = "application/json", retry_after_s: float | None = None) -> None:
        super().__init__(message, retry_after_s=retry_after_s)
        self.status = status
        self.body = body
        self.content_type = content_type


class RecordedAnswerMissing(Upstream):
    status = 404
    code = "recorded_answer_missing"
    retry = False


class UpstreamTimeout(Upstream):
    status = 504
    code = "upstream_timeout"


class UpstreamResting(Upstream):
    status = 503
    code = "upstream_resting"
    retry = True


class UpstreamBusy(Upstream):
    """Every connection that we may keep to it stayed taken until the deadline."""

    status = 503
    code = "upstream_busy"
    retry = True


class UpstreamCrowded(Upstream):
    """So many requests wait at it that another would only wait longer."""

    status = 503
    code = "upstream_crowded"
    retry = True


class BatchCalledOff(Upstream):
    """An item whose batch was cancelled, or has run out of time, while its provider had it."""

    status = 504
    code = "batch_called_off"
    retry = False


class AnswerInvalid(FarthingError):
    status = 502
    type = "upstream_error"
    code = "answer_invalid"
    retry = False


class Unavailable(FarthingError):
    status = 503
    type = "server_error"
    code = "unavailable"
    retry = True


class StoreUnavailable(Unavailable):
    code = "store_unavailable"


class PutOff(Unavailable):
    """A background call that waits for its provider's batch, past the end of this worker."""

    code = "put_off"
