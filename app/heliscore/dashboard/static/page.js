// Common to all pages: times in the reader's time zone, calls of the server, notices, and menus that close.

const instant = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const longDay = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

/** A time as short as it can be: of today `15:02`, of the last hour `12 min ago`, of this year `22 Nov`. */
function shortened(time, now = new Date()) {
  const minutes = Math.floor((now - time) / 60000);
  if (minutes >= 0 && minutes < 60) return minutes === 0 ? "now" : `${minutes} min ago`;
  if (time.toDateString() === now.toDateString()) return clock.format(time);
  return (time.getFullYear() === now.getFullYear() ? day : longDay).format(time);
}

/** Make an element with some properties. */
export const element = (name, properties) => Object.assign(document.createElement(name), properties);

const MINUTE = 60_000;

/** `2 min ago` for the last week; before that the time itself. */
function formatAgo(time) {
  const minutes = Math.floor((Date.now() - time) / MINUTE);
  if (minutes < 1) return "just now";
  if (minutes < 60) return `${minutes} min ago`;
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ago`;
  const days = Math.floor(minutes / 24 / 60);
  return days < 8 ? `${days} ${days === 1 ? "day" : "days"} ago` : instant.format(time);
}

/**
 * Show the `<time datetime>` elements inside `root` in the reader's zone, in a table's column of times as short as they
 * can be; the exact time is in the title.
 */
export function localiseTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    element.title = element.dateTime;
    const cell = element.closest(".when");
    if (cell) cell.title = `${instant.format(time)} – ${element.dateTime}`;
    if ("ago" in element.dataset) element.textContent = formatAgo(time);
    else element.textContent = cell ? shortened(time) : instant.format(time);
  }
}

/** A call that failed; `status` is 0 if the server could not be reached. */
export class RequestError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Call a page with `data` and return its answer. Throws RequestError if the server did not confirm the call within
 * 15 seconds.
 */
export async function send(method, path, body) {
  let response;
  try {
    response = await fetch(path, {
      method,
      headers: {
        "Content-Type": "application/json",
        ...(method === "GET" ? {} : { "X-CSRF-Token": document.querySelector('meta[name="csrf-token"]')?.content ?? "" }),
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(15000),
    });
  } catch {
    throw new RequestError(0, "the server cannot be reached");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) {
    throw new RequestError(response.status, answer?.error ?? `the server answered with status ${response.status}`);
  }
  return answer;
}

/**
 * Show a notice, which screen readers announce. With a `retry` function it stays, with a button; else it
 * disappears after a few seconds. Returns a function that removes it.
 */
export function notify(text, { kind = "plain", retry = null } = {}) {
  const notice = document.createElement("div");
  notice.className = `notice is-${kind}`;
  notice.append(Object.assign(document.createElement("p"), { textContent: text }));
  const remove = () => notice.remove();
  if (retry) {
    const button = Object.assign(document.createElement("button"), {
      type: "button", className: "button is-small", textContent: "Try again",
    });
    button.addEventListener("click", () => { remove(); retry(); });
    notice.append(button);
  } else {
    setTimeout(remove, 5000);
  }
  document.getElementById("notices").append(notice);
  return remove;
}

// Menus: Esc closes the one that is open and gives the focus back, a click beside them closes them; so does one beside a
// dialog, which closes by Esc already.

const MENUS = ":is(details.drop, .own-range, .filters > details)[open]";

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || event.defaultPrevented || document.querySelector("dialog[open]")) return;
  const menu = [...document.querySelectorAll(MENUS)].pop();
  if (!menu) return;
  if (menu.contains(document.activeElement)) menu.querySelector("summary").focus();
  menu.open = false;
});

document.addEventListener("click", ({ target, clientX, clientY }) => {
  for (const menu of document.querySelectorAll(MENUS)) if (!menu.contains(target)) menu.open = false;
  if (target.matches?.("dialog[open]")) {
    const { left, right, top, bottom } = target.getBoundingClientRect();
    if (clientX < left || clientX > right || clientY < top || clientY > bottom) target.close();
  }
});

/** Copy a string, also where the page was not loaded by HTTPS and browsers have no clipboard for it. */
async function copy(text) {
  if (navigator.clipboard) return navigator.clipboard.writeText(text);
  const field = element("textarea", { value: text });
  document.body.append(field);
  field.select();
  const isCopied = document.execCommand("copy");
  field.remove();
  if (!isCopied) throw new Error("not copied");
}

for (const button of document.querySelectorAll(".copy-link")) {
  button.hidden = false;
  button.addEventListener("click", () => copy(location.href).then(
    () => notify("Link copied.", { kind: "good" }),
    () => notify("The browser did not let the link be copied: copy the address.", { kind: "warn" }),
  ));
}

localiseTimes();
setInterval(localiseTimes, MINUTE);
