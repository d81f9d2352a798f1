"""Login: who is let in, that nobody is where secrets.toml cannot be read, and that nothing changes without it."""

from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest
from test_app import PATIENCE

from app.login import listed

ADMITTING = """
import streamlit as st
from app.login import admit
admit()
st.write("the studio")
"""
AUTH = {"redirect_uri": "http://localhost/oauth2callback", "cookie_secret": "x", "client_id": "x", "client_secret": "x"}


def visit(monkeypatch: pytest.MonkeyPatch, secrets: dict[str, Any], user: dict[str, Any]) -> AppTest:
    """What a visitor sees."""
    monkeypatch.setattr("streamlit.user_info._get_user_info", lambda: {"is_logged_in": False} | user)
    app = AppTest.from_string(ADMITTING, default_timeout=PATIENCE)
    for section, values in secrets.items():
        app.secrets[section] = values
    return app.run()


def let_in(app: AppTest) -> bool:
    assert not app.exception
    return "the studio" in [element.value for element in app.markdown]


def test_without_a_login_everybody_is_let_in_and_sees_nothing_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit(monkeypatch, {"other": {"key": "value"}}, {})
    assert let_in(app)
    assert not app.button


def test_a_visitor_sees_a_button_to_log_in_with_and_nothing_else(monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit(monkeypatch, {"auth": AUTH}, {})
    assert not let_in(app)
    assert [button.label for button in app.button] == ["Log in"]


def test_who_has_logged_in_is_let_in_and_can_log_out(monkeypatch: pytest.MonkeyPatch) -> None:
    app = visit(monkeypatch, {"auth": AUTH}, {"is_logged_in": True, "email": "ann@example.com"})
    assert let_in(app)
    assert [button.label for button in app.button] == ["Log out"]
    assert "ann@example.com" in str(app.caption[0].value).replace("\\", "").replace("\u2060", "")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ({"email": "ann@example.com", "email_verified": True}, True),
        ({"email": "Bob@Example.org", "email_verified": True}, True),
        ({"email": "ann@example.com"}, False),
        ({"email": "bob@example.org", "email_verified": True}, True),
        ({"email": "bob@example.org", "email_verified": False}, False),
        ({"email": "eve@example.com", "email_verified": True}, False),
        ({"email": "bob@sub.example.org", "email_verified": True}, False),
        ({}, False),
    ],
)
def test_only_listed_users_are_let_in(monkeypatch: pytest.MonkeyPatch, user: dict[str, Any], expected: bool) -> None:
    secrets = {"auth": AUTH, "studio": {"users": ["ann@example.com", "@example.org"]}}
    app = visit(monkeypatch, secrets, {"is_logged_in": True} | user)
    assert let_in(app) is expected
    assert [button.label for button in app.button] == ["Log out"]


@pytest.mark.parametrize(
    ("studio", "expected"), [({"users": []}, False), ({}, True), ({"users": ["ann@example.com"], "unverified": True}, True)]
)
def test_an_empty_list_lets_nobody_in_and_addresses_may_be_unverified_where_that_is_stated(
    monkeypatch: pytest.MonkeyPatch, studio: dict[str, Any], expected: bool
) -> None:
    app = visit(monkeypatch, {"auth": AUTH, "studio": studio}, {"is_logged_in": True, "email": "ann@example.com"})
    assert let_in(app) is expected


def test_a_secrets_file_that_cannot_be_read_lets_nobody_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secrets.toml").write_text("[auth", encoding="utf-8")
    known = st.config.get_option
    monkeypatch.setattr(st.config, "get_option", lambda name: [str(tmp_path / "secrets.toml")] if name == "secrets.files" else known(name))
    app = AppTest.from_string(ADMITTING, default_timeout=PATIENCE).run()
    assert not let_in(app)
    assert "secrets.toml cannot be read" in app.error[0].value


@pytest.mark.parametrize("address", ["", "@example.org", "example.org", "a@", "@"])
def test_half_an_address_is_nobody(address: str) -> None:
    assert not listed(address, ["@example.org", "@"])
