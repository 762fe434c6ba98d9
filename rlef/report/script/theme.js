// The page's data, how elements are made (text nodes only, never markup), light and dark.
const RLEF = (() => {
  "use strict";
  const data = JSON.parse(document.getElementById("data").textContent);

  // An element with attributes and children; strings become text nodes.
  function make(name, attributes = {}, ...children) {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value !== false && value !== undefined) element.setAttribute(key, value === true ? "" : value);
    }
    element.append(...children);
    return element;
  }

  const root = document.documentElement;
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const listeners = [];
  let chosen = "";

  function apply() {
    root.dataset.theme = chosen || (dark.matches ? "dark" : "light");
    button.textContent = root.dataset.theme === "dark" ? "light" : "dark";
    button.setAttribute("aria-label", `switch to the ${button.textContent} theme`);
    for (const listener of listeners) listener();
  }
  function toggle() {
    chosen = root.dataset.theme === "dark" ? "light" : "dark";
    apply();
  }
  const button = document.getElementById("theme");
  button.hidden = false;
  button.addEventListener("click", toggle);
  dark.addEventListener("change", apply);
  apply();

  const colour = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
  const percent = (value) => `${(100 * value).toFixed(1)} %`;
  return { data, make, colour, percent, toggle, onTheme: (listener) => listeners.push(listener) };
})();
