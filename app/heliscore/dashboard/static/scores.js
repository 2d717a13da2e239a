// The scores of one request as forms, with the input, the stored value and the state of saving.
//
// A choice (yes or no, a thumb) is saved at once, a number on Enter or Save. Input that could not be saved stays, with
// the reason beside it.

import { RequestError, send } from "./page.js";

const INTEGER = /^[+-]?\d{1,20}$/;

const element = (name, properties) => Object.assign(document.createElement(name), properties);

/** The form of one score. */
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

  /** The input that is not stored yet, or null. */
  get unsaved() {
    return this.wanted === null || this.wanted === this.stored ? null : this.wanted;
  }

  step(by) {
    const text = this.wanted ?? this.stored;
    this.type(String((INTEGER.test(text) ? BigInt(text) : 0n) + by));
  }

  /** Set the field of a number. */
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

  /** Why the input cannot be saved, or null. */
  get error() {
    return this.input && !INTEGER.test(this.unsaved) ? "expected an integer" : null;
  }

  /** Take the value that the server has stored; empty if none. */
  confirm(stored, note) {
    this.stored = stored;
    this.wanted = null;
    if (this.input) this.input.value = stored;
    this.show(note);
  }

  /** Show the value and its state. `note` is a node or a string. */
  show(note = this.unsaved === null ? "" : "Not saved yet", kind = "") {
    const value = this.wanted ?? this.stored;
    for (const thumb of this.form.querySelectorAll(".thumb")) thumb.ariaPressed = String(thumb.value === value);
    for (const radio of this.form.querySelectorAll('input[type="radio"]')) {
      radio.checked = radio.value === value;
      // Else Tab would go from the other radio button to this one, not to the next score.
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

/** All score forms of the page. */
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

  /** Save all unsaved input; resolves to whether all is saved. Saves run one after the other. */
  save() {
    this.saving = (this.saving ?? Promise.resolve()).then(() => this.#save());
    return this.saving;
  }

  async #save() {
    const scores = this.unsaved;
    const emptied = scores.filter((score) => score.input && score.unsaved === "");
    const sent = scores.filter((score) => !emptied.includes(score));
    const invalid = sent.filter((score) => score.error !== null);
    for (const score of invalid) score.show(`Not saved: ${score.error}`, "error");
    const results = [
      await this.#put(sent.filter((score) => !invalid.includes(score))),
      ...await Promise.all(emptied.map((score) => this.#remove(score))),
    ];
    return invalid.length === 0 && emptied.length === 0 && results.every(Boolean);
  }

  async #put(scores) {
    if (scores.length === 0) return true;
    const wanted = new Map(scores.map((score) => [score, score.unsaved]));
    const body = { scores: Object.fromEntries(scores.map((score) => [score.name, score.unsaved])) };
    const stored = await this.#call(scores, "PUT", this.path, body);
    if (stored === null) return false;
    for (const score of scores) {
      const value = Object.hasOwn(stored, score.name) ? stored[score.name] : "";
      // Input that was typed meanwhile is not saved.
      if (score.wanted === wanted.get(score)) score.confirm(value, "Saved");
      else score.stored = value;
    }
    return true;
  }

  /** Save a score without a form: its name, the input `unsaved`, and `show` for its state. */
  async give(score, retry) {
    const body = { scores: { [score.name]: score.unsaved } };
    return await this.#call([score], "PUT", this.path, body, retry) !== null;
  }

  /** Remove a score; can be undone. */
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

  /** Call the server. An error is shown beside the scores, with a way to try again; then the result is null. */
  async #call(scores, method, path, body, retry = () => this.save()) {
    for (const score of scores) score.show("Saving…");
    try {
      if (this.isOutOfDate) await this.renew();
      this.isOutOfDate = false;
      return (await send(method, path, body)).scores;
    } catch (error) {
      if (!(error instanceof RequestError)) throw error;
      this.isOutOfDate ||= [401, 403].includes(error.status);
      for (const score of scores) score.show(this.#explain(error, retry), "error");
      return null;
    }
  }

  #explain(error, retry) {
    const note = document.createDocumentFragment();
    note.append(`Not saved: ${error.status === 401 ? "you are signed out" : error.message}. `);
    if (error.status === 401) {
      note.append(element("a", { href: "/sign-in", target: "_blank", textContent: "Sign in" }), " (a new tab), then ");
    }
    const again = element("button", { type: "button", className: "link", textContent: "try again" });
    again.addEventListener("click", retry);
    note.append(again);
    return note;
  }
}
