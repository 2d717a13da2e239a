// The scores of one request together: saves them, removes them and undoes changes.

import { element, notify, RequestError, send } from "./page.js";
import { Score } from "./scores.js";

/** A score as the server takes it. */
const entryOf = (score) => score.reason ? { value: score.unsaved, comment: score.reason } : score.unsaved;

/** All score forms of the page. `renew` takes the token of a session that began elsewhere, `refresh` shows who gave the
 * scores once some have changed. */
export class Sheet {
  constructor(root, path, renew, refresh) {
    this.path = path;
    this.renew = renew;
    this.refresh = refresh;
    this.isOutOfDate = false;
    this.isStale = false;
    this.refreshed = null;
    this.marked = null;
    this.scores = [...root.querySelectorAll("form[data-name]")].map((form) => new Score(form, this));
  }

  /** Take the form of another score. */
  add(form) {
    const score = new Score(form, this);
    this.scores.push(score);
    return score;
  }

  get unsaved() {
    return this.scores.filter((score) => score.unsaved !== null);
  }

  mark(score) {
    this.marked?.form.classList.remove("is-marked");
    this.marked = score;
    score.form.classList.add("is-marked");
  }

  /** Save all unsaved input; resolves to whether all is saved. Saves run one after the other. With `isLeaving` the page
   * is not shown afterwards. */
  save({ isLeaving = false } = {}) {
    return this.#inTurn(() => this.#save(), isLeaving);
  }

  #inTurn(act, isLeaving = false) {
    this.saving = (this.saving ?? Promise.resolve()).then(act);
    if (!isLeaving) this.saving.then(() => this.freshen());
    return this.saving;
  }

  /** Show who gave the scores, if some have changed since that was shown. */
  freshen() {
    if (this.isStale) this.refreshed = this.refresh();
    this.isStale = false;
  }

  async #save() {
    const scores = this.unsaved;
    const emptied = scores.filter((score) => score.input && score.unsaved === "" && !score.reason);
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
    const wanted = new Map(scores.map((score) => [score, [score.wanted, score.reason]]));
    const body = { scores: Object.fromEntries(scores.map((score) => [score.name, entryOf(score)])) };
    const stored = await this.#call(scores, "PUT", this.path, body);
    if (stored === null) return false;
    for (const score of scores) {
      const value = Object.hasOwn(stored, score.name) ? stored[score.name] : "";
      const [entered, reason] = wanted.get(score);
      // Input that was typed meanwhile is not saved.
      if (score.wanted === entered && score.reason === reason) score.confirm(value, "Saved");
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
    return this.#inTurn(() => this.#remove(score));
  }

  async #remove(score) {
    if (score.stored === "") {
      score.takeBack();
      return true;
    }
    const stored = await this.#call([score], "DELETE", this.#pathOf(score), undefined, () => this.remove(score));
    if (stored === null) return false;
    const note = document.createDocumentFragment();
    const undo = element("button", { type: "button", className: "link undo", textContent: "Undo" });
    undo.addEventListener("click", () => this.undo(score));
    note.append("Removed. ", undo);
    score.confirm("", note);
    undo.focus();
    return true;
  }

  /** Undo the newest change of a score, if it is the reviewer's. */
  undo(score) {
    return this.#inTurn(() => this.#undo(score)).then(() => score.focus());
  }

  async #undo(score) {
    await this.refreshed;
    if (score.change === undefined) {
      score.show("Nothing of yours to undo");
      return false;
    }
    const body = { change: Number(score.change) };
    const stored = await this.#call([score], "POST", `${this.#pathOf(score)}/undo`, body, () => this.undo(score));
    if (stored === null) return false;
    score.confirm(Object.hasOwn(stored, score.name) ? stored[score.name] : "", "Saved");
    return true;
  }

  #pathOf(score) {
    return `${this.path}/${encodeURIComponent(score.name)}`;
  }

  /** Call the server. An error is shown beside the scores, with a way to try again; then the result is null. */
  async #call(scores, method, path, body, retry = () => this.save()) {
    for (const score of scores) score.show("Saving…");
    try {
      if (this.isOutOfDate) await this.renew();
      this.isOutOfDate = false;
      const { scores: stored, warnings = [] } = await send(method, path, body);
      this.isStale = true;
      for (const warning of warnings) notify(`Saved with a warning: ${warning}.`, { kind: "warn" });
      return stored;
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
