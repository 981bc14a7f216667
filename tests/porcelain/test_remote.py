"""No credential is left in the address of a repository."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datafolio.porcelain.provenance.remote import sanitise_remote


@pytest.mark.parametrize(
    ("url", "clean"),
    [
        ("https://ghp_token123@github.com/user/repo.git", "https://github.com/user/repo.git"),
        ("https://token@github.com/repo.git", "https://github.com/repo.git"),
        ("https://user:pass@gitlab.com/repo.git", "https://gitlab.com/repo.git"),
        ("git@github.com:user/repo.git", "git@github.com:user/repo.git"),
        ("HTTPS://user:pass@Example.org:8443/r.git", "https://Example.org:8443/r.git"),
        ("https://user:p@ss@example.org/r", "https://example.org/r"),
        ("https://token%40example.org/r", "https://example.org/r"),
        ("https://token%252540example.org/r", "https://example.org/r"),
        ("https://tok?en@example.org/r", None),
        ("https://user:1#x@example.org/r", None),
        ("https://example.org/r?private_token=x#y", "https://example.org/r"),
        ("https://example.org/r;token=x", "https://example.org/r"),
        ("https://example.org/@user/repo", None),
        ("https://me@corp.example:12/x/@example.org/r", None),
        ("ssh://git@example.org:22/r", "ssh://git@example.org:22/r"),
        ("ssh://jane:pass@example.org/r", "ssh://example.org/r"),
        ("ssh://git@[::1]:22/r", "ssh://git@[::1]:22/r"),
        ("https://git@example.org/r", "https://example.org/r"),
        ("git+https://user:pass@example.org/r", "git+https://example.org/r"),
        ("jane.doe@example.org:r.git", "jane.doe@example.org:r.git"),
        ("ghp_0123456789@example.org:r.git", "example.org:r.git"),
        ("glpat-0123456789@example.org:r.git", "example.org:r.git"),
        ("0123456789abcdef0123456789abcdef@example.org:r.git", "example.org:r.git"),
        ("jane:pass@example.org:r.git", "example.org:r.git"),
        ("example.org:r.git", "example.org:r.git"),
        ("ext::ssh -i key git@example.org %S r", "ext::"),
        ("hg::https://user:pass@example.org/r", "hg::https://example.org/r"),
        ("foo::secret", "foo::"),
        ("file:///srv/git/a b.git", "file:///srv/git/a b.git"),
        ("file://user:pass@host/share", "file://host/share"),
        ("/srv/git/repo@v1", "/srv/git/repo@v1"),
        ("../repo", "../repo"),
        ("~/repo", "~/repo"),
        (r"C:\repos\r", r"C:\repos\r"),
        (" https://example.org/r\r\n", "https://example.org/r"),
        ("ht\ntps://tok\ten@example.org/r", "https://example.org/r"),
        ("https://user:pa/ss@example.org/r", None),
        ("https://example.org/ghp_0123456789abcdef/r", None),
        ("user:pass@example.org/r", None),
        ("https:/token@example.org/r", None),
        ("", None),
        (None, None),
    ],
)
def test_an_address_keeps_its_place_and_loses_its_credentials(url, clean):
    assert sanitise_remote(url) == clean


MARK = "XQZW"
SECRETS = st.text(
    st.sampled_from("ab1@:/?#%&;=+.~ \\[]!$'\"\n\t\u202e") | st.characters(codec="utf-8"), max_size=20
).flatmap(lambda text: st.sampled_from([f"{MARK}{text}", f"{MARK}{text}{MARK}", f"{text}{MARK}"]))
SCHEMES = st.sampled_from(["https", "HTTP", "ssh", "git", "ftp", "git+https", "git+ssh", "s3", "hg::https"])
FORMS = st.sampled_from(
    [
        "{scheme}://{secret}@example.org/r.git",
        "{scheme}://{secret}@server/r.git",
        "{scheme}://{secret}:x-oauth-basic@example.org/r.git",
        "{scheme}://user:{secret}@example.org:80/r.git",
        "{scheme}://me@corp.example:{secret}@example.org/r.git",
        "{scheme}://user:{secret}%40example.org/r.git",
        "{scheme}://user:{quoted}@example.org/r.git",
        "{scheme}://user%3A{quoted}%40example.org/r.git",
        "{scheme}://example.org/r.git?token={secret}",
        "{scheme}://example.org/r.git#{secret}",
        "{scheme}://example.org/r.git;token={secret}",
        " \n{scheme}:/\t/user:{secret}@example.org/r.git\n",
        "{scheme}:/user:{secret}@example.org/r.git",
        "ext::helper --password {secret}",
        "gcrypt::ext::helper {secret}",
        "user:{secret}@example.org:r.git",
        "user:{secret}@example.org/r.git",
        "//user:{secret}@example.org/r.git",
        "ghp_{secret}@example.org:r.git",
    ]
)


@given(FORMS, SCHEMES, SECRETS)
@example("{scheme}://user:{secret}@example.org:80/r.git", "https", f"{MARK}@{MARK}")
@example("{scheme}://user:{secret}@example.org:80/r.git", "https", f"{MARK}/?#{MARK}")
def test_no_secret_is_left_whatever_the_form(form, scheme, secret):
    url = form.format(scheme=scheme, secret=secret, quoted=quote(secret, safe=""))
    clean = sanitise_remote(url)
    assert clean is None or MARK.lower() not in clean.lower()


@given(SCHEMES, SECRETS.map(lambda text: "".join(char for char in text if char.isalnum() or char in "@:.~!$&=+")))
def test_an_address_with_an_ordinary_password_is_kept(scheme, secret):
    clean = sanitise_remote(f"{scheme}://user:{secret}@example.org/r.git")
    assert clean == f"{scheme.lower()}://example.org/r.git"


@given(FORMS, SCHEMES, st.text(st.sampled_from("ab1@:/?#%;.~ \\\n"), max_size=20))
def test_a_clean_address_stays_as_it_is(form, scheme, text):
    clean = sanitise_remote(form.format(scheme=scheme, secret=text, quoted=quote(text)))
    assert clean is None or sanitise_remote(clean) == clean
