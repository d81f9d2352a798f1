"""Login by OpenID Connect, which Streamlit does where secrets.toml configures it. Otherwise whoever reaches the studio uses it."""

from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from app.wording import plain

AUTH, STUDIO = "auth", "studio"  # sections of secrets.toml
USERS, UNVERIFIED = "users", "unverified"  # options of the second


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
    studio = st.secrets.get(STUDIO, {})
    verified = st.user.get("email_verified") is True or studio.get(UNVERIFIED) is True
    admitted = USERS not in studio or (verified and listed(email, [str(user) for user in studio[USERS]]))
    with st.container(horizontal=True, horizontal_alignment="right", vertical_alignment="center"):
        st.caption(f"Logged in as {plain(email or st.user.get('name') or 'unknown')}", width="content")
        st.button("Log out", on_click=st.logout, key="log-out", icon=":material/logout:")
    if not admitted:
        unsure = "" if verified or USERS not in studio else " Its provider does not say that the address was verified."
        st.error(f"This account may not use the studio.{unsure} Ask whoever runs it, or log in with another.", icon=":material/lock:")
        st.stop()


def listed(email: str, users: Sequence[str]) -> bool:
    """Return whether an address is among the users: the whole address, or its domain written as @example.org."""
    address = email.strip().lower()
    known = {user.strip().lower() for user in users}
    name, _, domain = address.rpartition("@")
    return bool(name and domain) and (address in known or f"@{domain}" in known)
