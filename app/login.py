"""Login by OpenID Connect, which Streamlit does where secrets.toml configures it. Otherwise whoever reaches the studio uses it."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.wording import plain

AUTH, STUDIO, USERS = "auth", "studio", "users"  # sections of secrets.toml, and the option of the second


def admit() -> None:
    """Draw a button to log in with, and nothing else of the page, unless the visitor may use the studio."""
    if not st.secrets.load_if_toml_exists():
        if any(Path(file).exists() for file in st.config.get_option("secrets.files")):
            st.error("secrets.toml cannot be read, so nobody is let in: correct it, and start the studio again.", icon=":material/lock:")
            st.stop()
        return
    if AUTH not in st.secrets:
        return
    if not st.user.is_logged_in:
        st.header("Gatescope")
        st.button("Log in", on_click=st.login, type="primary", key="log-in", icon=":material/login:")
        st.stop()
    email = str(st.user.get("email") or "")
    verified = st.user.get("email_verified") is not False
    admitted = not (users := _users()) or (verified and listed(email, users))
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"Logged in as {plain(email or st.user.get('name') or 'unknown')}", width="content")
        st.button("Log out", on_click=st.logout, key="log-out", icon=":material/logout:")
    if not admitted:
        st.error("This account may not use the studio. Ask whoever runs it, or log in with another.", icon=":material/lock:")
        st.stop()


def listed(email: str, users: Sequence[str]) -> bool:
    """Return whether an address is among the users: the whole address, or its domain written as @example.org."""
    address = email.strip().lower()
    known = {user.strip().lower() for user in users}
    name, _, domain = address.rpartition("@")
    return bool(name and domain) and (address in known or f"@{domain}" in known)


def _users() -> list[str]:
    """Return the users that secrets.toml lists; empty lets in everybody who can log in."""
    return [str(user) for user in st.secrets.get(STUDIO, {}).get(USERS, [])]
