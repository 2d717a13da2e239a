// Ctrl+K: a dialog that finds pages, scores, prompts, models, and a request by its id. Without script the button
// leads to a page that does the same.

import { element, send } from "./page.js";

const button = document.getElementById("find");
const WAIT_MS = 120;

let dialog, input, list, state, options = [], marked = 0, asked = 0, timer = 0, cameFrom = null;
let shown = null;  // the text whose places are listed

function make() {
  input = element("input", { type: "text", className: "palette-input", autocomplete: "off", spellcheck: false,
    placeholder: "A page, score, view, queue, prompt, model, or the id of a request" });
  list = element("div", { id: "palette-found", className: "palette-found" });
  state = element("p", { className: "palette-status hint" });
  for (const [name, value] of [["role", "combobox"], ["aria-expanded", "true"], ["aria-controls", list.id],
    ["aria-autocomplete", "list"], ["aria-label", input.placeholder]]) input.setAttribute(name, value);
  list.setAttribute("role", "listbox");
  list.setAttribute("aria-label", "Found");
  state.setAttribute("role", "status");
  dialog = element("dialog", { className: "palette" });
  dialog.setAttribute("aria-label", "Search");
  dialog.append(input, list, state);
  document.body.append(dialog);
  input.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(find, WAIT_MS); });
  input.addEventListener("keydown", onKey);
  list.addEventListener("pointermove", ({ target }) => mark(options.indexOf(target)));
  dialog.addEventListener("close", () => cameFrom?.focus());
}

function open() {
  if (document.querySelector("dialog[open]")) return;
  if (!dialog) make();
  cameFrom = document.activeElement;
  dialog.showModal();
  input.select();
  find();
}

/** Ask the server; an answer that a newer question has overtaken is left out. */
async function find() {
  const mine = ++asked, text = input.value;
  try {
    const { kinds } = await send("GET", `/search/found?q=${encodeURIComponent(text)}`);
    if (mine !== asked) return;
    shown = text;
    show(kinds);
  } catch (error) {
    if (mine === asked) state.textContent = error.message;
  }
}

function show(kinds) {
  options = [];
  list.replaceChildren(...kinds.map(({ title, places }) => {
    const group = element("div", {});
    group.setAttribute("role", "group");
    group.setAttribute("aria-label", title);
    const heading = element("p", { className: "palette-kind", textContent: title });
    heading.setAttribute("aria-hidden", "true");
    group.append(heading, ...places.map(makeOption));
    return group;
  }));
  state.textContent = options.length ? "↑ ↓ to choose, Enter to open, Esc to close" : "Nothing is called that";
  mark(0);
}

function makeOption({ title, href }) {
  const option = element("a", { href, textContent: title, id: `place-${options.length}`, tabIndex: -1 });
  option.setAttribute("role", "option");
  options.push(option);
  return option;
}

function mark(place) {
  if (!options[place]) return;
  for (const option of options) option.setAttribute("aria-selected", String(option === options[place]));
  marked = place;
  input.setAttribute("aria-activedescendant", options[place].id);
  options[place].scrollIntoView({ block: "nearest" });
}

async function onKey(event) {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (event.isComposing || !step && event.key !== "Enter") return;
  event.preventDefault();
  if (step) return mark((marked + step + options.length) % options.length);
  clearTimeout(timer);
  if (input.value !== shown) await find();
  options[marked]?.click();
}

if (button) {
  button.addEventListener("click", (event) => {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  document.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && !event.altKey && !event.shiftKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      open();
    }
  });
}
