// One score of a request as a form, with the input, the stored value and the state of saving.
//
// A choice (yes or no, a thumb) is saved at once, a number on Enter or Save, a comment with the value. Input that could
// not be saved stays, with the reason beside it.

import { element } from "./page.js";

const INTEGER = /^[+-]?\d{1,20}$/;

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
    this.comment = form.querySelector("textarea");
    this.state = form.querySelector(".score-state");
    this.wanted = null;
    form.classList.add("is-live");
    form.querySelector(".score-save")?.setAttribute("tabindex", "-1");
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#act(event.submitter);
    });
    form.addEventListener("focusin", () => sheet.mark(this));
    this.comment.addEventListener("input", () => this.show());
    form.addEventListener("change", (event) => { if (event.target.type === "radio") this.choose(event.target.value); });
    if (this.input) this.#addSteps();
  }

  #act(submitter) {
    if (submitter?.value === "remove") this.sheet.remove(this);
    else if (submitter?.value === "undo") this.sheet.undo(this);
    else if (submitter?.matches(".thumb, .pick")) this.choose(submitter.value);
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

  /** The comment that is not stored yet; empty if none. */
  get reason() {
    return this.comment.value.trim();
  }

  /** The value that is to be stored with what was entered, or null. */
  get unsaved() {
    if (this.reason) return this.wanted ?? this.stored;
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

  /** Save yes or no, or a labelled value, at once. */
  choose(value) {
    this.wanted = value;
    if (this.input) this.input.value = value;
    this.show();
    return this.sheet.save();
  }

  takeBack() {
    this.wanted = null;
    if (this.input) this.input.value = this.stored;
    this.#clearComment();
    this.show();
  }

  #clearComment() {
    this.comment.value = "";
    this.comment.parentElement.open = false;
  }

  /** Open the field of the comment. */
  explain() {
    this.comment.parentElement.open = true;
    this.comment.focus();
  }

  /** Show the history and the other opinions, or fold them. */
  unfold() {
    const folds = [...this.form.querySelectorAll(".score-about details")];
    const isOpen = folds.some((fold) => fold.open);
    for (const fold of folds) fold.open = !isOpen;
  }

  get isExplaining() {
    return document.activeElement === this.comment;
  }

  /** Write a key into the comment. */
  write(key) {
    const text = key === "Enter" ? "\n" : key.length === 1 ? key : "";
    this.comment.setRangeText(text, this.comment.selectionStart, this.comment.selectionEnd, "end");
    this.show();
  }

  /** The number of the newest change, where it is the reviewer's. */
  get change() {
    return this.form.querySelector('input[name="change"]')?.value;
  }

  /** Take who gave the score, when and why, from the same form of another page. */
  takeProvenance(form) {
    this.form.querySelector(".score-about").replaceWith(document.adoptNode(form.querySelector(".score-about")));
  }

  /** Why the input cannot be saved, or null. */
  get error() {
    if (this.unsaved === "") return "a comment needs a value";
    return this.input && !INTEGER.test(this.unsaved) ? "expected an integer" : null;
  }

  /** Take the value that the server has stored; empty if none. */
  confirm(stored, note) {
    this.stored = stored;
    this.wanted = null;
    if (this.input) this.input.value = stored;
    this.#clearComment();
    this.show(note);
  }

  /** Show the value and its state. `note` is a node or a string. */
  show(note = this.unsaved === null ? "" : "Not saved yet", kind = "") {
    const value = this.wanted ?? this.stored;
    for (const thumb of this.form.querySelectorAll(".thumb, .pick")) thumb.ariaPressed = String(thumb.value === value);
    for (const radio of this.form.querySelectorAll('input[type="radio"]')) {
      radio.checked = radio.value === value;
      // Else Tab would go from the other radio button to this one, not to the next score.
      if (radio.checked && document.activeElement?.form === this.form && !this.isExplaining) radio.focus();
    }
    this.input?.toggleAttribute("aria-invalid", kind === "error");
    this.form.classList.toggle("is-unsaved", this.unsaved !== null);
    this.form.querySelector(".score-remove").hidden = this.stored === "";
    this.state.className = `score-state ${kind}`;
    this.state.replaceChildren(note);
  }

  focus(options) {
    const target = this.input ?? this.form.querySelector("input:checked, .thumb[aria-pressed=true]") ??
      this.form.querySelector('input[type="radio"], .thumb');
    target.focus(options);
    this.input?.select();
  }
}
