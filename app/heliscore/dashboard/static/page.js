// What every page does: times in the reader's zone, and calls that change something.

const instant = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

/** Show the `<time datetime>` elements inside `root` in the reader's zone; the exact time is in the title. */
export function localiseTimes(root = document) {
  for (const element of root.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    if (Number.isNaN(time.getTime())) continue;
    element.title = element.dateTime;
    element.textContent = instant.format(time);
  }
}

/** The server's refusal of a call; `status` is 0 where the server could not be reached at all. */
export class Refused extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/**
 * Call a page with `data` and return its answer. What was not confirmed by the server is thrown as Refused,
 * after at most 15 seconds.
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
    throw new Refused(0, "the server cannot be reached");
  }
  const answer = await response.json().catch(() => null);
  if (!response.ok || answer === null) {
    throw new Refused(response.status, answer?.error ?? `the server answered with status ${response.status}`);
  }
  return answer;
}

/**
 * Say something at the edge of the page, and to screen readers. A `retry` function makes it stay, with a
 * button; else it goes after a few seconds. Returns a function that takes it away.
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
