// Places drawings for a canvas: reads {"drawings": […], "canvas": {…}} from standard input and writes their layouts.
import { readFileSync } from "node:fs";

import { place } from "../../app/components/graph/layout.mjs";
import viz from "./viz.js";

const { drawings, canvas } = JSON.parse(readFileSync(0, "utf8"));
const engine = await viz();
process.stdout.write(JSON.stringify(drawings.map((drawing) => place(drawing, engine, canvas))));
