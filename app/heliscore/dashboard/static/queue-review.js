// Review of a queue by keyboard: single keys fill the form, which works without them.

const form = document.getElementById("scores");
const scores = [...form.querySelectorAll(".wanted-score")];
const help = document.getElementById("help");
let marked = scores[0];

const fieldOf = (score) => score.querySelector("input.num") ?? score.querySelector("input:checked") ?? score.querySelector("input");

function mark(score) {
  marked?.classList.remove("is-marked");
  marked = score;
  marked.classList.add("is-marked");
}

/** Choose a value of the marked score, or of the only other one that has it. Returns whether there is one. */
function choose(value) {
  const found = (score) => score.querySelector(`input[type=radio][value="${value}"]`);
  const having = scores.filter(found);
  const score = having.includes(marked) ? marked : having.length === 1 ? having[0] : null;
  if (score === null) return false;
  found(score).checked = true;
  mark(score);
  const next = scores.find((other) => fieldOf(other).type === "radio" ? !other.querySelector(":checked") : fieldOf(other).value === "");
  fieldOf(next ?? score).focus();
  return true;
}

/** Type a digit into the field of the marked score. */
function type(digit) {
  const field = fieldOf(marked);
  if (field.type === "radio") return choose(digit);
  field.focus();
  field.setRangeText(digit, field.selectionStart, field.selectionEnd, "end");
  return true;
}

function explain() {
  const comment = marked.querySelector("textarea");
  comment.parentElement.open = true;
  comment.focus();
  return true;
}

function press(key) {
  if (/^[-0-9]$/.test(key)) return type(key);
  if (key === "y" || key === "n") return choose(String(key === "y"));
  if (key === "u" || key === "d") return choose(String(key === "u"));
  if (key === "c") return explain();
  if (key === "a") document.getElementById("to-answer")?.click();
  else if (key === "s") document.getElementById("skip").click();
  else if (key === "?") help.showModal();
  else if (key === "Enter") form.requestSubmit(form.querySelector("button"));
  else return false;
  return true;
}

form.addEventListener("focusin", (event) => {
  const score = event.target.closest(".wanted-score");
  if (score) mark(score);
});

document.addEventListener("keydown", (event) => {
  const { key, target } = event;
  if (event.defaultPrevented || event.isComposing || event.altKey || event.metaKey || event.repeat || help.open) return;
  if (target.matches("textarea")) {
    if (key === "Escape") fieldOf(marked).focus();
    else if (key === "Enter" && event.ctrlKey) form.requestSubmit(form.querySelector("button"));
    return;
  }
  if (event.ctrlKey || target.matches("input:not([type=radio], .num), select")) return;
  if (target.matches("input.num") && /^[-+0-9]$/.test(key)) return;
  if (key === "Enter" && target.closest("button, a, summary")) return;
  if (key.length === 1 && localStorage.getItem("heliscore.no-keys")) return;
  if (press(key)) event.preventDefault();
});

document.getElementById("keys").hidden = false;
document.getElementById("keys").addEventListener("click", () => help.showModal());
mark(marked);
if (!document.querySelector("[aria-invalid]")) fieldOf(marked).focus({ preventScroll: true });
