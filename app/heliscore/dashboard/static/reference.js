// The API reference: finds calls, opens the one that the address names, remembers the language, and tries reads with
// the session of the page.

import { element, send } from "./page.js";

const LANGUAGE = "sample-language";
const calls = [...document.querySelectorAll(".call")];

function openTarget() {
  const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target?.matches(".call")) return;
  target.open = true;
  target.scrollIntoView();
}

const find = document.getElementById("find-call");
const texts = new Map(calls.map((call) => [call, `${call.id} ${call.querySelector("summary").textContent}`.toLowerCase()]));

find.addEventListener("input", () => {
  const words = find.value.toLowerCase().split(/\s+/);
  for (const [call, text] of texts) call.hidden = !words.every((word) => text.includes(word));
  for (const part of document.querySelectorAll(".reference-tag")) part.hidden = !part.querySelector(".call:not([hidden])");
  document.getElementById("no-call").hidden = calls.some((call) => !call.hidden);
});

for (const choice of document.querySelectorAll("#languages input")) {
  if (choice.value === localStorage.getItem(LANGUAGE)) choice.checked = true;
  choice.addEventListener("change", () => localStorage.setItem(LANGUAGE, choice.value));
}

/** The form of a call, made when its part is opened. */
function offerToTry(place) {
  const { operation, path, query, body } = JSON.parse(place.dataset.try);
  const form = element("form", {});
  const inputs = [...path.map((name) => ["path", name]), ...query.map((name) => ["query", name])].map(([where, name]) => {
    const field = element("div", { className: "field" });
    const input = element("input", { className: "input is-mono", id: `try-${operation}-${name}`, required: where === "path",
      autocomplete: "off", spellcheck: false });
    field.append(element("label", { textContent: name, htmlFor: input.id }), input);
    form.append(field);
    return { where, name, input };
  });
  const text = element("textarea", { className: "input", value: body ?? "", rows: Math.min(14, (body ?? "").split("\n").length + 1),
    spellcheck: false });
  text.setAttribute("aria-label", "Body");
  if (body !== null) form.append(text);
  form.append(element("button", { className: "button is-small is-primary", textContent: "Try it" }));
  const status = element("p", { className: "hint" });
  status.setAttribute("role", "status");
  const answer = element("pre", { className: "code", tabIndex: 0, hidden: true });
  answer.setAttribute("role", "region");
  answer.setAttribute("aria-label", "Answer");
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    status.textContent = "…";
    const given = { operation, path: {}, query: {}, body: body === null ? null : text.value };
    for (const { where, name, input } of inputs) given[where][name] = input.value;
    try {
      const { status: code, latency_ms, text: shown } = await send("POST", "/docs/try", given);
      status.textContent = `Status ${code} after ${latency_ms} ms`;
      answer.textContent = shown;
      answer.hidden = false;
    } catch (error) {
      status.textContent = error.message;
      answer.hidden = true;
    }
  });
  place.append(form, status, answer);
}

const isSignedIn = document.querySelector('meta[name="csrf-token"]') !== null;

for (const call of calls) {
  call.addEventListener("toggle", () => {
    const place = call.querySelector("[data-try]");
    if (!call.open || !place || place.childElementCount) return;
    if (isSignedIn) return offerToTry(place);
    const hint = element("p", { className: "hint" });
    hint.append(element("a", { href: "/sign-in?next=/docs", textContent: "Sign in" }), " to try this call here.");
    place.append(hint);
  });
}

addEventListener("hashchange", openTarget);
openTarget();
