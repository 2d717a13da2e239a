// The page of requests: filter builder, loading of more rows, and the queue of a review.

import { Builder } from "./builder.js";
import { FIELDS, findNameless, makeTree, readTree } from "./filter.js";
import { element, localiseTimes, notify, send } from "./page.js";
import { rememberQueue } from "./queue.js";
import { scroller, showSelection, showTotal } from "./table.js";

const form = document.getElementById("search");
const text = document.getElementById("filter");
const errors = JSON.parse(form.dataset.errors);

const builder = new Builder(document.getElementById("builder"), {
  changed: () => { text.value = format(makeTree(builder.group)); showCall(); },
  apply: () => form.requestSubmit(),
  names: [...document.querySelectorAll('input[type="checkbox"][name="column"]')].map((box) => box.value),
});

/** The tree as the form sends it; empty for all requests. */
const format = (tree) => tree === "all" ? "" : JSON.stringify(tree);

/** The tree of the text field, or undefined if it is not JSON, or nested too deeply to be written again. */
function treeOfText() {
  try {
    const tree = text.value.trim() ? JSON.parse(text.value) : "all";
    JSON.stringify(tree);
    return tree;
  } catch {
    return undefined;
  }
}

function takeText() {
  const tree = treeOfText();
  builder.root.hidden = tree === undefined;
  if (tree !== undefined) builder.show(readTree(tree));
  showCall();
}

/** Assign the server's errors to the conditions that they are about. */
function placeErrors(group) {
  for (const item of group.items) {
    if (item.kind === "group") {
      placeErrors(item);
      continue;
    }
    const inside = errors.filter(({ path }) => path === item.path || /^[.[]/.test(path.slice(item.path.length)) &&
      path.startsWith(item.path));
    item.errors = inside.map(({ message }) => message);
  }
}

/** Put the filter into the shell command, as it was typed: a script would round large numbers. */
function showCall() {
  const code = document.querySelector("#curl code");
  const filter = (text.value.trim() || '"all"').replaceAll("'", "'\\''");
  code.textContent = code.dataset.begin + filter + code.dataset.end;
}

function offerCopy() {
  const copy = document.getElementById("copy");
  copy.hidden = !navigator.clipboard;
  copy.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.querySelector("#curl code").textContent);
    notify("Copied. Put your API key into KEY.", { kind: "good" });
  });
}

async function showCount() {
  const place = document.getElementById("count");
  if (!place) return;
  const { count } = await send("GET", place.dataset.address).catch(() => ({ count: null }));
  if (count === null) return;
  place.textContent = `${count.toLocaleString("en")} ${count === 1 ? "request" : "requests"}`;
  showTotal(count);
}

async function offerValues() {
  const { values } = await send("GET", "/request-values").catch(() => ({ values: {} }));
  builder.values = values;
  if (!builder.root.contains(document.activeElement)) builder.show(builder.group);
}

/** Append the rows of another page of the table. Columns of scores that only it has are added. */
function append(page) {
  const [table, other] = [document, page].map((source) => source.getElementById("rows"));
  const scoresOf = (row) => [...row.querySelectorAll("[data-score]")];
  const known = new Set(scoresOf(table.tHead.rows[0]).map(({ dataset }) => dataset.score));
  for (const heading of scoresOf(other.tHead.rows[0])) {
    if (known.has(heading.dataset.score)) continue;
    putScore(table.tHead.rows[0], document.importNode(heading, true));
    for (const row of table.tBodies[0].rows) putScore(row, emptyCell(heading.dataset.score));
  }
  for (const row of [...other.tBodies[0].rows]) {
    localiseTimes(row);
    const cells = new Map(scoresOf(row).map((cell) => [cell.dataset.score, cell]));
    for (const { dataset } of scoresOf(table.tHead.rows[0])) {
      putScore(row, cells.get(dataset.score) ?? emptyCell(dataset.score));
    }
    table.tBodies[0].append(document.adoptNode(row));
  }
}

/** Insert a cell behind the other scores of a row, or where the first one stands. */
const putScore = (row, cell) =>
  ([...row.querySelectorAll("[data-score]")].pop() ?? row.cells[document.getElementById("rows").dataset.firstScore - 1])
    .after(cell);

function emptyCell(name) {
  const cell = Object.assign(document.createElement("td"), { className: "num score-value" });
  cell.dataset.score = name;
  cell.append(Object.assign(document.createElement("span"), { className: "quiet", textContent: "–" }));
  return cell;
}

let loading = false;

async function loadMore(link) {
  if (loading) return;
  loading = true;
  link.setAttribute("aria-busy", "true");
  try {
    const response = await fetch(link.href, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
    const page = new DOMParser().parseFromString(await response.text(), "text/html");
    if (!response.ok || !page.getElementById("rows")) throw new Error(`status ${response.status}`);
    append(page);
    const pager = document.getElementById("pager");
    pager.replaceChildren(...document.adoptNode(page.getElementById("pager")).childNodes);
    pager.querySelector("a:not(#more)")?.parentElement.replaceChildren("No more requests.");
    showSelection();
    watchMore();
  } catch {
    // Do not retry automatically after a failure; the button still works.
    link.removeAttribute("aria-busy");
    watcher.disconnect();
    notify("The next requests could not be loaded.", { kind: "bad", retry: () => loadMore(link) });
  } finally {
    loading = false;
  }
}

const watcher = new IntersectionObserver(
  (entries) => { if (entries.some((entry) => entry.isIntersecting)) loadMore(document.getElementById("more")); },
  { root: scroller, rootMargin: "400px" },
);

function watchMore() {
  watcher.disconnect();
  const link = document.getElementById("more");
  if (!link) return;
  link.addEventListener("click", (event) => { event.preventDefault(); loadMore(link); });
  watcher.observe(link);
}

document.getElementById("rows")?.addEventListener("click", (event) => {
  if (event.target.closest("th.what a")) {
    rememberQueue([...document.querySelectorAll("#rows th.what a")].map((link) => link.getAttribute("href")));
  }
});
/** Put the filter that was typed into the query of an address. */
function withFilter(query) {
  const params = new URLSearchParams(query);
  params.delete("cursor");
  if (text.value.trim()) params.set("filter", text.value.trim());
  else params.delete("filter");
  return params.toString();
}

/** Whether each condition has a name; else the builder says which ones have none. */
function isComplete() {
  const nameless = builder.root.hidden ? [] : findNameless(builder.group);
  if (nameless.length) {
    for (const item of nameless) item.errors = [`give the name of the ${FIELDS[item.field].title.toLowerCase()}`];
    builder.show(builder.group);
    builder.root.querySelector('[aria-invalid][data-part="key"]')?.focus();
  }
  return nameless.length === 0;
}

/** Let what was typed into the filter go along where a link or another form leads to the same search. */
function carry(event) {
  const target = event.target.closest("[data-carries]");
  if (!target || (event.type !== "submit" && target.matches("form"))) return;
  if (text.value.trim() === text.defaultValue.trim()) return;
  if (!isComplete()) event.preventDefault();
  else if (target.matches("a")) target.search = withFilter(target.search);
  else if (target.elements.search) target.elements.search.value = withFilter(target.elements.search.value);
  else {
    const field = target.querySelector('[name="filter"]') ??
      target.appendChild(element("input", { type: "hidden", name: "filter" }));
    field.value = text.value.trim();
    field.disabled = !field.value;
  }
}

for (const type of ["click", "auxclick", "submit"]) document.addEventListener(type, carry);
text.addEventListener("input", takeText);
form.addEventListener("submit", (event) => {
  if (isComplete()) text.disabled = !text.value.trim();
  else event.preventDefault();
});
addEventListener("pageshow", () => { text.disabled = false; });
takeText();
if (errors.length && treeOfText() === undefined) document.getElementById("as-json").open = true;
else if (errors.length) {
  placeErrors(builder.group);
  builder.show(builder.group);
}
offerCopy();
watchMore();
showCount();
offerValues();
