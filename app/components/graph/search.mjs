// Finds nodes by name.

import { notify } from "./notice.mjs";

// Marks the nodes whose names contain the text in the search field and scrolls to one of them: the first, or one `further` on.
export function seek(page, further = 0) {
  const wanted = page.find.value.trim().toLowerCase();
  const all = wanted ? [...page.nodes.keys()].filter((one) => one.toLowerCase().includes(wanted)) : [];
  const again = all.join() === page.found?.join();
  page.found = all;
  page.turn = again ? page.turn + further : 0;
  for (const [other, { group }] of page.nodes) group.classList.toggle("found", all.includes(other));
  if (wanted) notify(page, all.length ? `${all.length === 1 ? "1 node" : `${(page.turn % all.length) + 1} of ${all.length} nodes`}: ${all[page.turn % all.length]}` : "No node has this name.");
  if (all.length) page.nodes.get(all[page.turn % all.length]).group.scrollIntoView({ block: "nearest", inline: "center" });
  return all;
}
