// Elements, and links to a picture in Explore. Texts come from people and from datasets, so they are only set as textContent or attributes.

export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

// The address of a sample of a run in Explore, at a λ where the network has a choice of λ.
export function address(run, index, lam) {
  const query = new URLSearchParams({ run, sample: String(index), ...(lam === null ? {} : { lam: String(lam) }) });
  return `./?${query}`;
}

// A link to a sample, which opens it within the studio; with a modifier key the browser opens it as any other link.
export function link(run, index, lam, open, attributes, ...children) {
  const made = element("a", { href: address(run, index, lam), "data-index": index, ...attributes }, ...children);
  made.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    open(index);
  });
  return made;
}
