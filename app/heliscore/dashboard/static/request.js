// Review by keyboard. Another request is loaded into the same page, so that keys pressed meanwhile reach it. The
// address is replaced, without an entry in the history: Back leads to the table.

import { offerSearch } from "./find.js";
import { localiseTimes, notify, RequestError } from "./page.js";
import { openAtAnswer, showAnswer, showTotal } from "./place.js";
import { extendQueue, findInQueue } from "./queue.js";
import { Sheet } from "./sheet.js";

const MARKED = "heliscore.marked";
const NO_KEYS = "heliscore.no-keys";

/** Control and Enter, as one key. */
const SAVE = "Save";

/** The keys that `press` handles. */
const MEANT = /^([-0-9jkynudchza/?]|Enter|Save|ArrowLeft|ArrowRight)$/;

let review, sheet;
let moving = false;
let typedAhead = [];

function begin() {
  review = document.getElementById("review");
  const scores = document.getElementById("scores");
  const mayWrite = scores !== null && "mayWrite" in scores.dataset;
  sheet = mayWrite ? new Sheet(scores, review.dataset.save, renew, refresh) : null;
  if (sheet) {
    setTabOrder(scores);
    const marked = sessionStorage.getItem(MARKED) ?? review.dataset.marked;
    const integers = sheet.scores.filter((score) => score.input);
    sheet.mark(sheet.scores.find((score) => score.name === marked) ?? integers[0] ?? sheet.scores[0]);
    scores.addEventListener("focusin", () => sessionStorage.setItem(MARKED, sheet.marked.name));
    document.getElementById("save-all").hidden = false;
    document.getElementById("save-next").addEventListener("click", () => press("Enter"));
    document.getElementById("new-score").addEventListener("submit", addScore);
    document.querySelector("#others form")?.addEventListener("submit", askForScore);
    offerSearches(scores);
  }
  const keys = document.getElementById("keys");
  keys.hidden = false;
  keys.addEventListener("click", showHelp);
  document.getElementById("to-answer")?.addEventListener("click", (event) => {
    event.preventDefault();
    showAnswer();
  });
  const properties = document.getElementById("find-property");
  if (properties) offerSearch(properties, () => [...document.getElementById("properties").children], (row) => row.textContent);
  const previous = document.getElementById("previous");
  previous.hidden = findInQueue(review.dataset.here).index === 0;
  previous.addEventListener("click", () => press("k"));
  document.getElementById("next")?.addEventListener("click", (event) => {
    event.preventDefault();
    press("j");
  });
  showTotal();
}

/** Search among many scores, those that are not given included. */
function offerSearches(scores) {
  const input = document.getElementById("find-score");
  if (!input) return;
  const fields = document.getElementById("fields");
  const others = document.getElementById("others");
  offerSearch(
    input,
    () => [...fields.querySelectorAll("form"), ...others?.querySelectorAll(".pick") ?? []],
    (row) => row.dataset.name ?? row.value,
    {
      shown: (isSearching) => {
        for (const group of fields.querySelectorAll(".score-group")) {
          let next = group.nextElementSibling;
          while (next?.hidden) next = next.nextElementSibling;
          group.hidden = next === null || next.matches(".score-group");
        }
        if (!others) return;
        others.hidden = isSearching && others.querySelector(".pick:not([hidden])") === null;
        others.open = isSearching;
      },
      enter: (row) => row.matches("form") ? sheet.scores.find((score) => score.form === row).focus() : row.click(),
    },
  );
}

/** Add the field of a score that is not given yet. */
function askForScore(event) {
  event.preventDefault();
  const button = event.submitter;
  return during(async () => {
    const { here } = review.dataset;
    const page = await load(`${here}${here.includes("?") ? "&" : "?"}${new URLSearchParams({ [button.name]: button.value })}`);
    const form = [...page.querySelectorAll("form[data-name]")].find(({ dataset }) => dataset.name === button.value);
    setTabOrder(page);
    localiseTimes(form);
    document.getElementById("fields").append(document.adoptNode(form));
    button.remove();
    sheet.add(form).focus();
  });
}

/** Let Tab lead from score to score, where single keys lead to what belongs to one. */
function setTabOrder(root) {
  const tabIndex = localStorage.getItem(NO_KEYS) ? 0 : -1;
  for (const part of root.querySelectorAll(".score-about :is(summary, button), .score-comment > summary")) {
    part.tabIndex = tabIndex;
  }
}

/** Fetch another page. Throws RequestError, with status 401 after the end of the session. */
async function load(address) {
  let response, text;
  try {
    response = await fetch(address, { headers: { Accept: "text/html" }, signal: AbortSignal.timeout(15000) });
    text = await response.text();
  } catch {
    throw new RequestError(0, "the server cannot be reached");
  }
  const page = new DOMParser().parseFromString(text, "text/html");
  if (new URL(response.url).pathname === "/sign-in") throw new RequestError(401, "you are signed out");
  if (!response.ok) {
    throw new RequestError(response.status, page.querySelector("main p")?.textContent ?? `status ${response.status}`);
  }
  return page;
}

const organizationOf = (page) => page.querySelector("meta[name=organization]")?.content;

/** Use the token of the session that was started in another tab, if it is of the same organization. */
async function renew() {
  const page = await load(review.dataset.here);
  if (organizationOf(page) !== organizationOf(document)) {
    throw new RequestError(403, "you have signed in to another organization");
  }
  takeToken(page);
}

/** Show who gave the scores, when and why, as it is now. Without an answer it stays as it was. */
async function refresh() {
  const [shown, scores] = [review, sheet.scores];
  const page = await load(review.dataset.here).catch((error) => {
    if (!(error instanceof RequestError)) throw error;
    return null;
  });
  if (page === null || review !== shown || organizationOf(page) !== organizationOf(document)) return;
  localiseTimes(page);
  setTabOrder(page);
  for (const form of page.querySelectorAll("form[data-name]")) {
    scores.find((score) => score.name === form.dataset.name)?.takeProvenance(form);
  }
}

function takeToken(page) {
  const select = (source) => source.querySelector('meta[name="csrf-token"]');
  select(document).content = select(page).content;
}

/** Show another request instead of this one. Returns false if there is none. */
async function show(address) {
  const page = await load(address);
  const next = page.getElementById("review");
  if (next === null) return false;
  if (sheet?.unsaved.length) throw new RequestError(0, "a score was changed meanwhile and is not saved yet");
  takeToken(page);
  document.title = page.title;
  localiseTimes(next);
  review.replaceWith(document.adoptNode(next));
  history.replaceState(null, "", next.dataset.here);
  for (const field of document.querySelectorAll('form[action="/reviewer"] [name="next"]')) field.value = next.dataset.here;
  scrollTo(0, 0);
  begin();
  openAtAnswer();
  return true;
}

/** Go to the next or previous request of the queue; after its last one, to the next one of the search. */
async function go(by) {
  const { queue, index } = findInQueue(review.dataset.here);
  const address = queue[index + by] ?? (by > 0 ? review.dataset.next : "");
  const from = review.dataset.here;
  if (!address || !await show(address)) {
    notify(by > 0 ? "That was the last one." : "That was the first one.");
    return;
  }
  if (by > 0) extendQueue(from, review.dataset.here);
  // Where the scores are below the conversation, that is what is to be seen.
  if (sheet) sheet.marked.focus({ preventScroll: matchMedia("(max-width: 56rem)").matches });
  else document.getElementById("title").focus({ preventScroll: true });
}

/** Run a slow action. Keys pressed meanwhile are handled after it. */
async function during(act) {
  moving = true;
  try {
    await act();
  } catch (error) {
    if (!(error instanceof RequestError)) throw error;
    notify(`Failed: ${error.message}.`, { kind: "bad" });
    typedAhead = [];
  } finally {
    moving = false;
  }
  while (typedAhead.length && !moving) {
    const key = typedAhead.shift();
    if (sheet?.marked.isExplaining && key !== SAVE) sheet.marked.write(key);
    else press(key);
  }
}

async function leave(by) {
  if (sheet) await sheet.saving;
  const unsaved = sheet?.unsaved ?? [];
  if (unsaved.length === 0) return go(by);
  for (const score of unsaved) score.show("Not saved yet: Enter saves it, Esc discards it", "error");
  unsaved[0].focus();
  typedAhead = [];
}

async function saveAndGo() {
  if (await sheet.save({ isLeaving: true })) await go(1);
  else typedAhead = [];
  sheet.freshen();
}

function saveAndStay() {
  if (sheet.marked.isExplaining) sheet.marked.focus();
  sheet.save();
}

/** Handle a key; returns whether it has a meaning. */
function press(key) {
  if (moving) {
    // After `c` come the letters of a comment.
    if (!MEANT.test(key) && !typedAhead.includes("c")) return false;
    typedAhead.push(key);
  } else if (key === "j" || key === "ArrowRight") during(() => leave(1));
  else if (key === "k" || key === "ArrowLeft") during(() => leave(-1));
  else if (key === "a") return showAnswer();
  else if (key === "?") showHelp();
  else if (!sheet) return false;
  else if (key === "Enter") during(saveAndGo);
  else if (key === SAVE) saveAndStay();
  else if (key === "/") return find();
  else if (key === "Escape") return fold();
  else if (key === "c") sheet.marked.explain();
  else if (key === "h") sheet.marked.unfold();
  else if (key === "z") sheet.undo(sheet.marked);
  else if (key === "u" || key === "d") sheet.scores.find((score) => score.isThumb).choose(String(key === "u"));
  else if (key === "y" || key === "n") return answer(key === "y");
  else if (/^[-0-9]$/.test(key)) return type(key);
  else return false;
  return true;
}

/** Search among many scores; returns whether there are many. */
function find() {
  const input = document.getElementById("find-score");
  input?.focus();
  return input !== null;
}

/** Fold what is open at the marked score; returns whether something was. */
function fold() {
  const open = sheet.marked.form.querySelectorAll("details[open]");
  for (const details of open) details.open = false;
  return open.length > 0;
}

/** Yes or no for the marked score, or for the only boolean one. */
function answer(isYes) {
  const choices = sheet.scores.filter((score) => score.isBoolean && !score.isThumb);
  const score = choices.includes(sheet.marked) ? sheet.marked : choices.length === 1 ? choices[0] : null;
  if (score) score.choose(String(isYes));
  else notify("Select a yes/no score first (Tab).");
  return true;
}

/** Type a digit into the field of the marked score. */
function type(digit) {
  const { input } = sheet.marked;
  if (!input) return false;
  if (document.activeElement !== input) sheet.marked.focus();
  input.setRangeText(digit, input.selectionStart, input.selectionEnd, "end");
  sheet.marked.type(input.value);
  return true;
}

function showHelp() {
  document.getElementById("help").showModal();
}

/** Store a score of a new name, and show the page with it. */
async function addScore(event) {
  event.preventDefault();
  const form = event.target;
  const [name, value] = ["name", "value"].map((field) => form.elements[field].value.trim());
  const state = form.querySelector(".score-state");
  const score = { name, unsaved: value, show: (note, kind = "") => {
    state.className = `score-state ${kind}`;
    state.replaceChildren(note);
  } };
  await during(async () => {
    if (sheet.unsaved.length && !await sheet.save()) return;
    if (!await sheet.give(score, () => form.requestSubmit())) return;
    await show(review.dataset.here);
    (sheet.scores.find((other) => other.name === name) ?? sheet.marked).focus();
  });
}

const isText = (target) => target.matches("textarea, select, input:not([type=radio], [type=checkbox], .num)") ||
  target.isContentEditable;

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.defaultPrevented || event.isComposing || event.altKey || event.metaKey || document.querySelector("dialog[open]")) return;
  if (isText(target)) {
    if (sheet?.marked.isExplaining && commentKey(event)) event.preventDefault();
    return;
  }
  if (event.ctrlKey) {
    if (key === "Enter" && press(SAVE)) event.preventDefault();
    return;
  }
  const field = target.closest("form[data-name]") && sheet?.scores.find((score) => score.form.contains(target));
  if (field?.input === target && fieldKey(event, field)) return;
  // Enter activates buttons, links and summaries; arrows change radio buttons.
  if (key === "Enter" && target.closest("button, a, summary")) return;
  if (target.matches("input") && key.startsWith("Arrow")) return;
  if (key.length === 1 && localStorage.getItem(NO_KEYS)) return;
  if (key.startsWith("Arrow") && (event.shiftKey || target.closest("pre, [role=region]"))) return;
  if (event.repeat && key !== "ArrowUp" && key !== "ArrowDown") return;
  if (press(key)) event.preventDefault();
});

/** Handle a key in a comment; returns whether it is no part of it. */
function commentKey({ key, ctrlKey }) {
  if (key === "Enter" && ctrlKey) return press(SAVE);
  if (key !== "Escape") return false;
  sheet.marked.takeBack();
  sheet.marked.focus();
  return true;
}

/** Handle a key in the field of a number; returns whether that was all. */
function fieldKey(event, field) {
  const { key } = event;
  if (key === "ArrowUp" || key === "ArrowDown") {
    event.preventDefault();
    field.step(key === "ArrowUp" ? 1n : -1n);
  } else if (key === "Escape") {
    if (field.unsaved === null) fold();
    field.takeBack();
    field.input.select();
  } else return /^[-+0-9]$/.test(key) && !moving;
  return true;
}

addEventListener("beforeunload", (event) => { if (sheet?.unsaved.length) event.preventDefault(); });

document.getElementById("close-help").addEventListener("click", () => document.getElementById("help").close());

const useKeys = document.getElementById("use-keys");
if (useKeys) {
  useKeys.checked = !localStorage.getItem(NO_KEYS);
  useKeys.addEventListener("change", () => {
    if (useKeys.checked) localStorage.removeItem(NO_KEYS);
    else localStorage.setItem(NO_KEYS, "true");
    setTabOrder(document);
  });
}

begin();
// After a reload, or on the way back, the browser keeps the place.
if (performance.getEntriesByType("navigation")[0]?.type === "navigate") openAtAnswer();
