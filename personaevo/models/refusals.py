"""Classify servers' error replies: whether this question is refused, a retry may help, or the setup is wrong."""

from __future__ import annotations

import email.utils
import json
import math
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from personaevo.chat import Usage
from personaevo.errors import ModelError, ModelSetupError, ModelUnavailableError, ReplyError

_LONGEST = 200  # characters of a server's message in our errors
_READ = 20_000  # characters of a body that are searched
_REFUSED = {
    401: "the key is refused", 403: "the key may not use it", 404: "there is no such model or address", 402: "the account has no credit",
}  # fmt: skip
_ADVICE = {
    401: "set OPENAI_API_KEY or ANTHROPIC_API_KEY to a valid key", 403: "set OPENAI_API_KEY or ANTHROPIC_API_KEY to a valid key",
    404: "check the name after PROVIDER: and the address after @",
}  # fmt: skip
_OVERLOADED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_TOO_LONG = (
    "context_length", "context length", "context size", "prompt is too long", "too many tokens", "maximum context", "request_too_large",
    "exceed_context", "input is too long", "maximum number of tokens",
)  # fmt: skip
_NO_CREDIT = ("insufficient_quota", "credit balance", "insufficient credit", "insufficient balance")
_FILTERED = (
    "content_filter", "content filter", "content management",  "content_policy", "content policy", "responsibleai", "safety",
    "moderation", "flagged", "prohibited_content", "prohibited content", "usage policy", "usage policies", "data_inspection_failed",
    "inappropriate content", "sensitive",
)  # fmt: skip
FILTER_REASONS = frozenset({
    "content_filter", "content_filtered", "safety", "recitation", "blocklist", "prohibited_content", "spii", "image_safety", "refusal",
    "guardrail_intervened", "sensitive",
})  # fmt: skip
ENDING = "the search is ending: no new calls are made"
_KEYS = re.compile(r"\b(?:sk|pk|rk|gsk|hf|xai|key|AIza)[-_]?[A-Za-z0-9_-]{12,}|(?<=Bearer )[^\s\"']{6,}")
_TAG = re.compile(r"<[^<>]{0,500}>")
_WAIT = re.compile(
    r"(?:retry(?:ing)?[ _-]?(?:after|delay|in)|try again (?:in|after)|wait(?: for)?|available (?:again )?in)\D{0,20}?"
    r"(?:(\d{1,4}) ?m(?:in(?:ute)?s?)? ?(?:and )?)?(\d{1,6}(?:\.\d{1,9})?) ?(ms|milliseconds?|s\b|sec|\"|second|m\b|min)?", re.IGNORECASE,
)  # fmt: skip
_UNITS = {"ms": 0.001, "mi": 60.0, "m": 60.0}


class TransientError(ModelUnavailableError):
    """A failure for which a retry may help. ``kind`` is its name in reports ("429", "timeout", …), ``after`` the seconds that the server
    asked to wait, if it did; ``unreachable``: the connection was refused; ``usage`` the tokens of an answer that was discarded."""

    def __init__(
        self, message: str, kind: str, after: float | None = None, *, unreachable: bool = False, usage: Usage | None = None
    ) -> None:
        super().__init__(message)
        self.kind, self.after, self.unreachable, self.usage = kind, after, unreachable, usage


class UnclearError(ModelSetupError):
    """The server refuses a request, and its message does not tell whether it would refuse every other too."""


def status_error(label: str, status: int, body: str, headers: Mapping[str, str]) -> ModelError:
    """The error for an HTTP status other than 200, of a class that says whether to retry; its text quotes the server."""
    said, told = body[:_READ].lower(), words(body)
    own = f": {told}" if told else ""
    if status == 413 or (status != 429 and any(phrase in said for phrase in _TOO_LONG)):  # 429: too many tokens per minute
        return ReplyError(f"{label}: the prompt is too long for the model{own}")
    if status in (400, 403, 422, 451) and any(phrase in said for phrase in _FILTERED):
        return ReplyError(f"{label}: the server refuses this question{own}")
    if status in _REFUSED or any(phrase in said for phrase in _NO_CREDIT):
        reason = _REFUSED.get(status, "the account has no credit")
        advice = _ADVICE.get(status, "add credit, or choose another model")
        return ModelSetupError(f"{label}: {reason} (status {status}){own}; {advice}")
    if status in _OVERLOADED or status >= 500:
        return TransientError(f"{label}: status {status}{own}", str(status), wait(headers, body))
    return UnclearError(f"{label}: the server refuses the request (status {status}){own}")


def body_error(label: str, body: Mapping[str, Any], usage: Usage | None = None) -> ModelError | None:
    """The error in the body of a reply with status 200; None if there is none."""
    error = body.get("error") or (body if body.get("object") == "error" else None)
    if not error:
        return None
    code = error.get("code") or error.get("status") if isinstance(error, Mapping) else None
    text = json.dumps(body)
    status = int(code) if isinstance(code, int) or (isinstance(code, str) and code.isdigit()) else 500
    found = status_error(label, status if 400 <= status < 600 else 500, text, {})
    if isinstance(found, TransientError):
        found.usage = usage
    return found


def words(body: str) -> str:
    """The server's message in quotation marks, on one line: that of a JSON body, or the text without tags; API keys are masked."""
    text = body[:_READ].strip()
    with suppress(ValueError, RecursionError):
        text = _message(json.loads(text)) or text
    said = " ".join(_KEYS.sub("(key)", _TAG.sub(" ", text)).split())
    return repr(said[:_LONGEST]) if said else ""


def _message(value: Any) -> str:
    """The first text under a field name that servers use for messages."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        return next(filter(None, map(_message, value)), "")
    if not isinstance(value, dict):
        return ""
    named = next((value[name] for name in ("error", "message", "detail", "msg", "error_msg") if value.get(name)), None)
    return _message(named) if named is not None else ""


def wait(headers: Mapping[str, str], body: str = "") -> float | None:
    """Seconds to wait according to the headers, or else the text of the body; None if neither says."""
    found = retry_after(headers)
    if found is not None:
        return found
    match = _WAIT.search(body[:_READ])
    if match is None:
        return None
    unit = (match[3] or "s").lower()
    scale = _UNITS.get(unit[:2], _UNITS.get(unit, 1.0))
    return 60.0 * float(match[1] or 0) + scale * float(match[2])


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait according to the headers ``retry-after-ms``, or ``retry-after`` in seconds or as a date; None without them."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        with suppress(ValueError):
            seconds = float(headers.get(name, "")) * unit
            return None if math.isnan(seconds) else max(0.0, seconds)
    try:
        when = email.utils.parsedate_to_datetime(headers.get("retry-after", ""))
        return max(0.0, when.timestamp() - time.time())
    except (ValueError, OverflowError):
        return None


def unreachable(label: str, error: BaseException) -> TransientError:
    """The error for a refused or broken connection."""
    cause = error.__cause__ or error
    reason = str(cause).strip().partition("\n")[0] or type(cause).__name__
    refused = "refused" in reason.lower() or type(cause).__name__ == "ConnectError"
    return TransientError(f"{label}: cannot be reached ({_KEYS.sub('(key)', reason)[:120]})", "connection", unreachable=refused)


_INVALID_KEY = "the API key contains an invalid character or a line break; set it again, in plain letters on one line"
_NO_CERTIFICATES = "a certificate file is missing: see SSL_CERT_FILE, REQUESTS_CA_BUNDLE and SSL_CERT_DIR"
_LOCAL_FAULTS = (
    ("socksio", "a SOCKS proxy is set, but not supported: pip install 'httpx[socks]', or unset ALL_PROXY and the like"),
    ("unknown scheme for proxy", "a proxy address (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY) has an unknown scheme: use http, https or socks5"),
    ("illegal header value", _INVALID_KEY),
    ("invalid header", _INVALID_KEY),
    ("can't encode", _INVALID_KEY),
    ("no such file", _NO_CERTIFICATES),
    ("tls ca certificate", _NO_CERTIFICATES),
    ("no certificate or crl", "a certificate file contains no certificate: see SSL_CERT_FILE and REQUESTS_CA_BUNDLE"),
    ("certificate_verify_failed", "the server's certificate is not trusted on this machine: see SSL_CERT_FILE"),
    ("invalid port", "the address of a proxy has no usable port: see HTTP_PROXY, HTTPS_PROXY and ALL_PROXY"),
)  # fmt: skip


def local_fault(label: str, error: BaseException) -> ModelSetupError | None:
    """The error for wrong settings of this machine, for which a retry cannot help; None for other errors."""
    chain, seen = "", error
    for _ in range(5):
        chain += f" {type(seen).__name__} {seen}".lower()
        following = seen.__cause__ or seen.__context__
        if following is None:
            break
        seen = following
    reason = next((said for phrase, said in _LOCAL_FAULTS if phrase in chain), None)
    return None if reason is None else ModelSetupError(f"{label}: {reason}")
