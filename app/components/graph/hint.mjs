// Explanations of terms: a small “i” beside a word opens a card; Escape, a click elsewhere or a second click closes it.

import { element } from "./dom.mjs";

const HINT_GAP = 6; // pixels between the “i” and its card
const capital = (text) => (/^[a-z]/.test(text) ? text[0].toUpperCase() + text.slice(1) : text);

// The “i” of some terms, by the names that the view's `terms` have.
export function hint(page, ...names) {
  const made = element("button", { type: "button", class: "hint", "aria-label": `What is ${names[0]}?`, title: `What is ${names[0]}?`, "aria-expanded": "false" }, "i");
  made.addEventListener("click", (event) => {
    event.stopPropagation();
    const open = page.hintOf === names[0];
    closeHint(page);
    if (!open) openHint(page, made, names);
  });
  return made;
}

export function hintCard(page) {
  page.hint = element("div", { class: "card hint-card", role: "note", hidden: "" });
  page.root.addEventListener("click", (event) => {
    if (!page.hint.contains(event.target)) closeHint(page);
  });
  page.root.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || page.hint.hidden) return;
    event.preventDefault();
    closeHint(page);
  });
  return page.hint;
}

function openHint(page, button, names) {
  const known = names.filter((name) => Object.hasOwn(page.data.terms, name));
  page.hint.replaceChildren(...known.map((name) => element("p", {}, element("b", {}, capital(name)), ` · ${page.data.terms[name]}`)));
  page.hint.hidden = false;
  page.hintOf = names[0];
  page.hintButton = button;
  button.setAttribute("aria-expanded", "true");
  const [room, at] = [page.root.getBoundingClientRect(), button.getBoundingClientRect()];
  const { offsetWidth: width, offsetHeight: height } = page.hint;
  const below = at.bottom - room.top + HINT_GAP;
  const fits = at.bottom + HINT_GAP + height <= window.innerHeight;
  page.hint.style.left = `${Math.max(0, Math.min(at.left - room.left - HINT_GAP, room.width - width))}px`;
  page.hint.style.top = `${fits ? below : Math.max(0, at.top - room.top - HINT_GAP - height)}px`;
}

export function closeHint(page) {
  if (!page.hintOf) return;
  const held = page.hint.contains(page.root.getRootNode().activeElement);
  page.hint.hidden = true;
  page.hintButton.setAttribute("aria-expanded", "false");
  if (held) page.hintButton.focus();
  page.hintOf = null;
}
