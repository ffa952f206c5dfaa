"""Errors as OpenAI's protocol has them: a status, and JSON that says what was wrong and with which parameter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pycharrnn.errors import ParameterError, UnknownCharacterError
from pycharrnn.messages import Setting, message_of, spelled

_KINDS = {429: "rate_limit_error", 404: "not_found_error", 403: "permission_error"}


class Refused(Exception):
    """A request cannot be answered.

    Parameters
    ----------
    status : int
        The status of the answer.
    message : str
        What was wrong, and what to do.
    param : str or None, default None
        The parameter of the request that it is about.
    code : str or None, default None
        A word for programs.

    Examples
    --------
    >>> Refused(404, "there is no such model", "model", "model_not_found").body()["error"]["param"]
    'model'
    """

    def __init__(self, status: int, message: str, param: str | None = None, code: str | None = None) -> None:
        super().__init__(status, message, param, code)
        self.status = status
        self.message = message
        self.param = param
        self.code = code

    def body(self) -> dict[str, Any]:
        """Return the answer."""
        return failed(self.message, self.status, self.param, self.code)


def failed(message: str, status: int = 500, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return the body of an answer that tells of an error."""
    kind = _KINDS.get(status, "server_error" if status >= 500 else "invalid_request_error")
    return {"error": {"message": message, "type": kind, "param": param, "code": code}}


def refusal(error: Exception, names: Mapping[str, str]) -> Refused:
    """Return what a client is told of an error that the library raised.

    Parameters
    ----------
    error : Exception
        The error.
    names : mapping of str to str
        What the request calls parameters that have another name in the library.

    Examples
    --------
    >>> from pycharrnn.errors import ParameterValueError
    >>> refusal(ParameterValueError("length", "must be at least 0, got -1"), {"length": "max_tokens"}).message
    'max_tokens must be at least 0, got -1'
    """

    def spell(setting: Setting) -> str:
        own = setting._replace(name=names.get(setting.name, setting.name))
        return str(own)

    param = None
    if isinstance(error, ParameterError):
        param = names.get(error.parameter, error.parameter)
    elif isinstance(error, UnknownCharacterError):
        param = "prompt"
    return Refused(400, spelled(message_of(error), spell), param)
