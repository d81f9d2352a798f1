import js from "@eslint/js";

const BROWSER = ["window", "document", "location", "history", "navigator", "performance", "getComputedStyle", "requestAnimationFrame"];
const MORE = ["clearInterval", "localStorage", "sessionStorage", "setInterval", "cancelAnimationFrame", "setTimeout", "clearTimeout", "URL", "Blob", "Image", "FileReader", "XMLSerializer", "ResizeObserver", "MutationObserver", "globalThis", "createImageBitmap", "CSS", "process", "CustomEvent", "URLSearchParams", "atob", "DecompressionStream", "Response", "ImageData"];

export default [
  js.configs.recommended,
  {
    languageOptions: { globals: Object.fromEntries([...BROWSER, ...MORE].map((name) => [name, "readonly"])) },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: { "no-unused-vars": "error", "no-shadow": "error", "prefer-const": "error", "no-var": "error", eqeqeq: "error" },
  },
];
