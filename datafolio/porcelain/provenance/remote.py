"""The address of a repository without the credentials that people put into it.

The rule is: what can't be told from a credential goes.  An address that is too odd to take apart with
certainty gives None, since a missing address is a smaller loss than a published token.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote

__all__ = ["sanitise_remote"]

_LONGEST = 2048
# From this length on a login name is taken for a token; access keys begin at 20 characters.
_LONGEST_LOGIN = 19

_HELPER = re.compile(r"([A-Za-z0-9][A-Za-z0-9+.-]*)::(.*)")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)")
_HOST = re.compile(r"(?:[\w.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?")
_SCP = re.compile(r"(?:(?P<user>.*)@)?(?P<host>[\w.-]+|\[[0-9A-Fa-f:.]+\]):(?P<path>.*)")
_LOCAL = re.compile(r"/(?!/)|\.\.?(?:[/\\]|$)|~[\w.-]*(?:/|$)|[A-Za-z]:[/\\]|\\\\")
_LOGIN = re.compile(rf"[\w.-]{{1,{_LONGEST_LOGIN}}}")
# How the tokens of the usual services begin.
_TOKEN = re.compile(
    r"gh[a-z]_|github_pat|gl(?:pat|dt|rt|cbt|ptt|ft|soat|imt|agent)-|hf_|atbb|atctt|atatt|akia|asia|apka|eyj|npm_|pypi-"
    r"|dckr_pat|xox[a-z]-|sk-",
    re.IGNORECASE,
)
# The same inside an address, where a word of a path may begin so by chance: only with the length of a token.
_TOKEN_ANYWHERE = re.compile(
    r"(?<![A-Za-z0-9])(?:(?:gh[a-z]_|github_pat_|gl[a-z]+-|hf_|npm_|pypi-|dckr_pat_|xox[a-z]-|sk-|eyJ)[\w-]{16}"
    r"|(?:AKIA|ASIA)[A-Z0-9]{16})"
)


def sanitise_remote(url: str | None) -> str | None:
    """`url` without credentials, or None for nothing and for what can't be cleaned with certainty.

    - ``scheme://``: user and password, query, fragment and ``;`` parameters are removed.  Only the login
      ``git`` of ssh stays, without which the address would be another one.
    - ``git@host:path`` stays as it is; a user that has a password, begins as a known token does, or is
      longer than login names are, is removed.
    - ``helper::address``: the address stays only if it is a URL, cleaned as one, and never after ``ext::``.
    - local paths and ``file://`` stay.
    """
    text = _without_control(url or "").strip()
    if not text or len(text) > _LONGEST:
        return None
    clean = _clean(text)
    return None if clean is None or _TOKEN_ANYWHERE.search(_decoded(clean)) else clean


def _clean(text: str) -> str | None:
    if match := _HELPER.fullmatch(text):
        return _clean_helper(*match.groups())
    if match := _SCHEME.fullmatch(text):
        return _clean_url(*match.groups())
    if _LOCAL.match(text):
        return text
    return _clean_scp(text)


def _clean_helper(helper: str, address: str) -> str | None:
    if _TOKEN.match(helper) or len(helper) > _LONGEST_LOGIN:
        return None
    if helper.lower() == "ext":
        return f"{helper}::"
    nested = _clean(address) if _SCHEME.fullmatch(address) else ""
    # Without a scheme, what looks like a helper may be the beginning of a user's name.
    return None if nested is None or (not nested and "@" in _decoded(address)) else f"{helper}::{nested}"


def _clean_url(scheme: str, rest: str) -> str | None:
    scheme = scheme.lower()
    location, query = _split_at(rest, "?#")
    authority, path = _split_at(location, "/")
    if "@" in _decoded(query) or (authority and "@" in _decoded(path)):
        # It may end a password that has one of "/?#" in it, and then all before it is secret.
        return None
    login, _, host = _decoded(authority).rpartition("@")
    if not _HOST.fullmatch(host) and not (scheme == "file" and not host):
        return None
    kept = "git@" if scheme in {"ssh", "git+ssh", "ssh+git"} and login == "git" else ""
    return f"{scheme}://{kept}{host}{path.partition(';')[0]}".rstrip()


def _clean_scp(text: str) -> str | None:
    """``user@host:path``, or a relative path."""
    text, query = _split_at(text, "?#")
    if "@" in _decoded(query):
        return None
    match = _SCP.fullmatch(text)
    if match is None:
        return None if "@" in _decoded(text) or not text or text.startswith("//") else text
    user, host, path = match.group("user", "host", "path")
    if "@" in _decoded(path):
        return None
    return f"{user}@{host}:{path}" if user and _is_login(user) else f"{host}:{path}"


def _is_login(user: str) -> bool:
    return _LOGIN.fullmatch(user) is not None and not _TOKEN.match(user)


def _split_at(text: str, delimiters: str) -> tuple[str, str]:
    """`text` before the first of the `delimiters`, and from there on."""
    match = re.search(f"[{re.escape(delimiters)}]", text)
    return (text[: match.start()], text[match.start() :]) if match else (text, "")


def _decoded(text: str) -> str:
    """`text` with its percent-encoding undone, however often it was done."""
    while (plain := unquote(text)) != text:
        text = plain
    return text


def _without_control(text: str) -> str:
    """`text` without control and format characters, line separators, and what is not Unicode."""
    kinds = ((char, unicodedata.category(char)) for char in text)
    return "".join(char for char, kind in kinds if kind[0] != "C" and kind not in {"Zl", "Zp"})
