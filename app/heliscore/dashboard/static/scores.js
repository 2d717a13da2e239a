// The scores of one request as forms: what was typed, what the server has stored, and what stands between.
//
// A choice (yes or no, a thumb) is saved at once, a number when somebody says so. What could not be saved stays
// as it was typed, with the reason beside it.

import { Refused, send } from "./page.js";

const INTEGER = /^[+-]?\d{1,20}$/;

const element = (name, properties) => Object.assign(document.createElement(name), properties);

/** One score that can be given. */
export class Score {
  constructor(form, sheet) {
    this.form = form;
    this.sheet = sheet;
    this.name = form.dataset.name;
    this.isThumb = form.classList.contains("is-thumb");
    this.isBoolean = form.dataset.kind === "boolean";
    this.stored = form.dataset.stored;
    this.input = form.querySelector("input.num");
    this.state = form.querySelector(".score-state");
    this.wanted = null;
    form.classList.add("is-live");
    form.querySelector(".score-save")?.setAttribute("tabindex", "-1");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(event.submitter);
    });
    form.addEventListener("focusin", () => sheet.mark(this));
    form.addEventListener("change", (event) => { if (event.target.type === "radio") this.choose(event.target.value); });
    if (this.input) this.#addSteps();
  }

  #act(submitter) {
    if (submitter?.value === "remove") this.sheet.remove(this);
    else if (submitter?.classList.contains("thumb")) this.choose(submitter.value);
    else this.sheet.save();
  }

  #addSteps() {
    for (const [word, sign, by] of [["Decrease", "−", -1n], ["Increase", "+", 1n]]) {
      const button = element("button", { type: "button", className: "button is-small step", tabIndex: -1, textContent: sign });
      button.ariaLabel = `${word} ${this.name}`;
      button.addEventListener("click", () => this.step(by));
      this.input[by < 0 ? "before" : "after"](button);
    }
    this.input.addEventListener("input", () => { this.wanted = this.input.value.trim(); this.show(); });
  }

  /** What shall be stored: null where that is what is stored. */
  get unsaved() {
    return this.wanted === null || this.wanted === this.stored ? null : this.wanted;
  }

  step(by) {
    const text = this.wanted ?? this.stored;
    this.type(String((INTEGER.test(text) ? BigInt(text) : 0n) + by));
  }

  /** Put a text into the field of a number. */
  type(text) {
    this.input.value = this.wanted = text;
    this.show();
  }

  /** Save yes or no at once. */
  choose(value) {
    this.wanted = value;
    this.show();
    return this.sheet.save();
  }

  takeBack() {
    this.wanted = null;
    if (this.input) this.input.value = this.stored;
    this.show();
  }

  /** Why the text cannot be saved, or null. */
  get error() {
    return this.input && !INTEGER.test(this.unsaved) ? "expected an integer" : null;
  }

  /** Take over what the server has stored; empty: nothing. */
  confirm(stored, note) {
    this.stored = stored;
    this.wanted = null;
    if (this.input) this.input.value = stored;
    this.show(note);
  }

  /** Show value and state: `note` an element or a text. */
  show(note = this.unsaved === null ? "" : "Not saved yet", kind = "") {
    const value = this.wanted ?? this.stored;
    for (const thumb of this.form.querySelectorAll(".thumb")) thumb.ariaPressed = String(thumb.value === value);
    for (const radio of this.form.querySelectorAll('input[type="radio"]')) {
      radio.checked = radio.value === value;
      // Tab would go from the other one to this one, not to the next score.
      if (radio.checked && document.activeElement?.form === this.form) radio.focus();
    }
    this.input?.toggleAttribute("aria-invalid", kind === "error");
    this.form.classList.toggle("is-unsaved", this.unsaved !== null);
    this.form.querySelector(".score-remove").hidden = this.stored === "";
    this.state.className = `score-state ${kind}`;
    this.state.replaceChildren(note);
  }

  focus() {
    const target = this.input ?? this.form.querySelector("input:checked, .thumb[aria-pressed=true]") ??
      this.form.querySelector('input[type="radio"], .thumb');
    target.focus();
    this.input?.select();
  }
}

/** All scores of the request on the page. */
export class Sheet {
  constructor(root, path, renew) {
    this.path = path;
    this.renew = renew;
    this.isOutOfDate = false;
    this.marked = null;
    this.scores = [...root.querySelectorAll("form[data-name]")].map((form) => new Score(form, this));
  }

  get unsaved() {
    return this.scores.filter((score) => score.unsaved !== null);
  }

  mark(score) {
    this.marked?.form.classList.remove("is-marked");
    this.marked = score;
    score.form.classList.add("is-marked");
  }

  /** Save all that is not, and tell whether all is then. Saves follow each other: the last word counts. */
  save() {
    this.saving = (this.saving ?? Promise.resolve()).then(() => this.#save());
    return this.saving;
  }

  async #save() {
    const scores = this.unsaved;
    const emptied = scores.filter((score) => score.input && score.unsaved === "");
    const sent = scores.filter((score) => !emptied.includes(score));
    const faulty = sent.filter((score) => score.error !== null);
    for (const score of faulty) score.show(`Not saved: ${score.error}`, "error");
    const results = [
      await this.#tell(sent.filter((score) => !faulty.includes(score))),
      ...await Promise.all(emptied.map((score) => this.#remove(score))),
    ];
    return faulty.length === 0 && emptied.length === 0 && results.every(Boolean);
  }

  async #tell(scores) {
    if (scores.length === 0) return true;
    const wanted = new Map(scores.map((score) => [score, score.unsaved]));
    const body = { scores: Object.fromEntries(scores.map((score) => [score.name, score.unsaved])) };
    const stored = await this.#call(scores, "PUT", this.path, body);
    if (stored === null) return false;
    for (const score of scores) {
      const value = Object.hasOwn(stored, score.name) ? stored[score.name] : "";
      // Whoever typed on meanwhile has not saved that.
      if (score.wanted === wanted.get(score)) score.confirm(value, "Saved");
      else score.stored = value;
    }
    return true;
  }

  /** Save a score that has no form of its own: a name, a text `unsaved`, and `show` for what becomes of it. */
  async give(score, retry) {
    const body = { scores: { [score.name]: score.unsaved } };
    return await this.#call([score], "PUT", this.path, body, retry) !== null;
  }

  /** Remove a score, with a way back. */
  remove(score) {
    this.saving = (this.saving ?? Promise.resolve()).then(() => this.#remove(score));
    return this.saving;
  }

  async #remove(score) {
    const was = score.stored;
    if (was === "") {
      score.takeBack();
      return true;
    }
    const stored = await this.#call([score], "DELETE", `${this.path}/${encodeURIComponent(score.name)}`,
      undefined, () => this.remove(score));
    if (stored === null) return false;
    const note = document.createDocumentFragment();
    const undo = element("button", { type: "button", className: "link", textContent: "Undo" });
    undo.addEventListener("click", () => { score.wanted = was; this.save().then(() => score.focus()); });
    note.append("Removed. ", undo);
    score.confirm("", note);
    undo.focus();
    return true;
  }

  /** Call the server; what it refuses is shown beside the scores, with a way to try again. Null: refused. */
  async #call(scores, method, path, body, retry = () => this.save()) {
    for (const score of scores) score.show("Saving…");
    try {
      if (this.isOutOfDate) await this.renew();
      this.isOutOfDate = false;
      return (await send(method, path, body)).scores;
    } catch (refusal) {
      if (!(refusal instanceof Refused)) throw refusal;
      this.isOutOfDate ||= [401, 403].includes(refusal.status);
      for (const score of scores) score.show(this.#explain(refusal, retry), "error");
      return null;
    }
  }

  #explain(refusal, retry) {
    const note = document.createDocumentFragment();
    note.append(`Not saved: ${refusal.status === 401 ? "you are signed out" : refusal.message}. `);
    if (refusal.status === 401) {
      note.append(element("a", { href: "/sign-in", target: "_blank", textContent: "Sign in" }), " (a new tab), then ");
    }
    const again = element("button", { type: "button", className: "link", textContent: "try again" });
    again.addEventListener("click", retry);
    note.append(again);
    return note;
  }
}
