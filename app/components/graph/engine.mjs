// Loads Graphviz, which is compiled to WebAssembly by Viz.js, once for all graphs of a page.

const FILE = "app/static/viz/viz-global.js"; // as Streamlit serves it

let engine = null;

// A promise of an instance of Viz.js. A page saved from the studio brings Viz.js with it.
export function graphviz() {
  engine ??= (globalThis.Viz ? Promise.resolve() : import(new URL(FILE, document.baseURI).href)).then(() => globalThis.Viz.instance());
  engine.catch(() => (engine = null)); // so that the next graph tries again
  return engine;
}
