// The studio's own copy of Viz.js under Node, which takes a file of this kind for CommonJS.
import { createRequire } from "node:module";

const load = createRequire(import.meta.url);

export default () => load("../../app/static/viz/viz-global.js").instance();
