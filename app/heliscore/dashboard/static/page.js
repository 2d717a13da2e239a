// Common to all pages: times in the reader's time zone, calls of the server, and notices.

const instant = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

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

/** Show the `<time datetime>` elements inside `root` in the reader's zone; the exact time is in the title. */
export function localiseTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    element.title = element.dateTime;
    element.textContent = "ago" in element.dataset ? formatAgo(time) : instant.format(time);
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

localiseTimes();
setInterval(localiseTimes, MINUTE);
