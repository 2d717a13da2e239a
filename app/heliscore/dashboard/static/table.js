// The rows of the table of requests: a marker that keys move, and the selection.

const wrap = document.querySelector(".table-wrap.is-tall");
const table = document.getElementById("rows");
const bar = document.getElementById("actions");
const all = document.getElementById("pick-all");
const which = bar?.elements.which;

const boxes = () => [...table.tBodies[0].querySelectorAll(".pick input")];
const counted = (number) => `${number.toLocaleString("en")} ${number === 1 ? "request" : "requests"}`;

/** How many requests match, once that is known. */
let total = null;

/** Say how many requests there are, of which some can be selected. */
export function showTotal(number) {
  total = number;
  showSelection();
}

/** Show in words what is selected, and the actions as long as there is something to do them with. */
export function showSelection() {
  if (!bar) return;
  const picked = boxes().filter((box) => box.checked).length;
  const [selected, matching] = which.options;
  selected.textContent = `${counted(picked)} selected`;
  matching.textContent = total === null ? "All that match" : `All ${counted(total)} that match`;
  bar.hidden = picked === 0 && which.value !== "all";
  all.checked = picked > 0 && picked === boxes().length;
  all.indeterminate = picked > 0 && !all.checked;
}

/** Mark a row, and focus its link. */
function mark(row) {
  table.querySelector(".is-marked")?.classList.remove("is-marked");
  row.classList.add("is-marked");
  const link = row.querySelector(".what a");
  link?.focus({ preventScroll: true });
  row.querySelector(".what").scrollIntoView({ block: "nearest", inline: "nearest" });
}

function move(step) {
  const rows = [...table.tBodies[0].rows];
  const index = rows.findIndex((row) => row.classList.contains("is-marked"));
  const row = index < 0 ? rows[0] : rows[index + step];
  if (row) mark(row);
}

const showKeys = () => document.getElementById("keys").showModal();

const KEYS = {
  j: () => move(1),
  k: () => move(-1),
  x: () => table.querySelector(".is-marked .pick input")?.click(),
  Enter: () => table.querySelector(".is-marked .what a")?.click(),
  "?": showKeys,
};

const isTyping = (target) =>
  target.matches("textarea, select, input:not([type=checkbox])") || target.isContentEditable;

function press(event) {
  const { key, target } = event;
  if (event.defaultPrevented || event.isComposing || event.altKey || event.ctrlKey || event.metaKey) return;
  if (isTyping(target) || document.querySelector("dialog[open]")) return;
  // Enter activates buttons, links and summaries by itself.
  if (!Object.hasOwn(KEYS, key) || (key === "Enter" && target.closest("button, a, summary"))) return;
  if (key.length === 1 && localStorage.getItem("heliscore.no-keys")) return;
  event.preventDefault();
  KEYS[key]();
}

/** Select up to the box that was clicked with Shift, from the one clicked before. */
let last = null;
function pick(event) {
  const box = event.target.closest(".pick input");
  if (!box) return;
  if (box === all) for (const one of boxes()) one.checked = all.checked;
  else {
    const list = boxes();
    if (event.shiftKey && last && list.includes(last)) {
      const [from, to] = [list.indexOf(last), list.indexOf(box)].sort((a, b) => a - b);
      for (const one of list.slice(from, to + 1)) one.checked = box.checked;
    }
    last = box;
  }
  which.value = "selected";
  showSelection();
}

if (table) {
  document.addEventListener("keydown", press);
  table.addEventListener("focusin", ({ target }) => {
    const row = target.closest("tbody tr");
    if (row && !row.classList.contains("is-marked")) {
      table.querySelector(".is-marked")?.classList.remove("is-marked");
      row.classList.add("is-marked");
    }
  });
  if (bar) {
    table.addEventListener("click", pick);
    which.addEventListener("change", showSelection);
    addEventListener("pageshow", showSelection);
    showSelection();
  }
  const button = document.getElementById("show-keys");
  button.hidden = false;
  button.addEventListener("click", showKeys);
}

/** The element that scrolls the table, null where it is the page. */
export const scroller = wrap && getComputedStyle(wrap).maxHeight !== "none" ? wrap : null;
