// The filter builder: shows the conditions of filter.js as form controls.

import { FIELDS, isValueless, newCondition, newGroup } from "./filter.js";

/** Make an element from a name, properties, attributes (`aria-…`, `data-…`, `for`, `list`) and children. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (/^(aria|data)-|^(for|list|role)$/.test(key)) element.setAttribute(key, value);
    else element[key] = value;
  }
  element.append(...children);
  return element;
}

const button = (text, act, className = "button is-small") => {
  const element = make("button", { type: "button", className, textContent: text });
  element.addEventListener("click", act);
  return element;
};

const choice = (label, options, chosen, act) => {
  const select = make("select", { className: "select is-small", "aria-label": label });
  for (const [value, text] of Object.entries(options)) select.append(new Option(text, value, false, value === chosen));
  select.addEventListener("change", () => act(select.value));
  return select;
};

/**
 * Shows a group in `root`, and calls `changed` after each change. A condition's `errors` are shown beside it until it
 * is changed. `names` are the scores to offer, `values` the other values by field and `property:<key>`.
 */
export class Builder {
  constructor(root, { changed, apply, names }) {
    Object.assign(this, { root, changed, apply, names, group: newGroup("and"), values: {}, number: 0 });
  }

  show(group) {
    this.group = group;
    this.root.replaceChildren(this.#group(group, null));
  }

  /** Show the group again after a change, and focus the element of the selector `focus`. */
  #refresh(focus) {
    this.changed();
    this.show(this.group);
    const target = focus && this.root.querySelector(focus);
    (target ?? this.root.querySelector(".builder-add")).focus();
  }

  #group(group, parent) {
    const element = make("div", { className: parent ? "builder-group" : "builder-root" });
    if (parent) Object.assign(element, { role: "group", ariaLabel: "Group of conditions" });
    group.items.forEach((item, index) => {
      element.append(make("div", { className: "builder-line" },
        this.#joint(group, index), item.kind === "group" ? this.#group(item, group) : this.#row(item, group)));
    });
    const add = button("+ Condition", () => this.#add(group, newCondition()), "button is-small builder-add");
    const buttons = make("div", { className: "buttons builder-buttons" }, add);
    if (parent) {
      buttons.append(button("Remove group", () => this.#remove(parent, group), "button is-small is-quiet"));
    } else {
      if (group.items.length) {
        const other = group.operator === "and" ? "or" : "and";
        const text = `+ Group of ${other === "or" ? "alternatives" : "conditions"}`;
        buttons.append(button(text, () => this.#add(group, newGroup(other, [newCondition()]))));
      }
      const submit = make("button", { className: "button is-small is-primary", textContent: "Apply" });
      if (group.items.length || this.wasFull) {
        this.wasFull = true;
        buttons.append(submit, button("Clear", () => { this.group.items = []; this.changed(); this.apply(); },
          "button is-small is-quiet"));
      }
    }
    element.append(buttons);
    return element;
  }

  /** The word before an item. The first one of a group chooses the operator for all. */
  #joint(group, index) {
    if (index === 0) return make("span", { className: "builder-joint", textContent: "where" });
    if (index > 1) return make("span", { className: "builder-joint", textContent: group.operator });
    return make("span", { className: "builder-joint" }, choice("Combine by", { and: "and", or: "or" }, group.operator,
      (operator) => { group.operator = operator; this.#refresh(); }));
  }

  #add(group, item) {
    group.items.push(item);
    this.changed();
    this.show(this.group);
    const condition = item.kind === "group" ? item.items[0] : item;
    this.root.querySelector(`[data-row="${condition.row}"] select`).focus();
  }

  #remove(group, item) {
    group.items.splice(group.items.indexOf(item), 1);
    this.#refresh();
  }

  #row(item, group) {
    item.row ??= ++this.number;
    const element = make("div", { className: "builder-row", "data-row": item.row, role: "group" });
    const errors = item.errors ?? [];
    if (item.kind === "json") {
      element.append(make("code", { className: "builder-json", textContent: JSON.stringify(item.tree) }));
    } else {
      element.append(...this.#condition(item, errors));
    }
    const remove = button("×", () => this.#remove(group, item), "button is-small is-quiet");
    remove.ariaLabel = "Remove condition";
    element.append(remove);
    if (errors.length) {
      element.append(make("p", { className: "error", id: `error-${item.row}`, textContent: errors.join("; ") }));
    }
    return element;
  }

  #condition(item, errors) {
    const field = FIELDS[item.field];
    const here = `[data-row="${item.row}"]`;
    const titles = Object.fromEntries(Object.entries(FIELDS).map(([name, { title }]) => [name, title]));
    const parts = [choice("Field", titles, item.field, (name) => {
      const same = FIELDS[name].kind === field.kind && FIELDS[name].operators === field.operators;
      const { operator, value } = same ? item : newCondition(name);
      Object.assign(item, { field: name, key: "", operator, value, errors: [] });
      this.#refresh(`${here} select`);
    })];
    if (field.keyed) {
      const offered = item.field === "scores" ? this.names : Object.keys(this.values)
        .filter((name) => name.startsWith("property:")).map((name) => name.slice("property:".length));
      parts.push(...this.#input(item, "key", `Name of the ${field.title.toLowerCase()}`, offered, field.keyed));
    }
    parts.push(choice("Comparison", field.operators, item.operator, (operator) => {
      Object.assign(item, { operator, errors: [] });
      this.#refresh(`${here} [aria-label="Comparison"]`);
    }));
    if (field.kind === "time") parts.push(this.#time(item));
    else if (!isValueless(item.operator)) {
      const offered = item.field === "properties" ? this.values[`property:${item.key}`] : this.values[item.field];
      const hint = field.kind === "score" ? "92, true or false" : "";
      parts.push(...this.#input(item, "value", "Value", offered ?? [], hint));
    }
    if (errors.length) {
      const isNameless = field.keyed && !item.key.trim();
      const last = parts[isNameless ? "find" : "findLast"]((part) => part.matches("input"));
      last?.setAttribute("aria-invalid", "true");
      last?.setAttribute("aria-describedby", `error-${item.row}`);
    }
    return parts;
  }

  /** A text field with suggestions. */
  #input(item, name, label, offered, placeholder) {
    const input = make("input", { className: "input is-small", "aria-label": label, value: item[name], placeholder,
      autocomplete: "off", spellcheck: false, "data-part": name });
    input.addEventListener("input", () => { item[name] = input.value; this.changed(); });
    if (!offered.length) return [input];
    const id = `offer-${item.row}-${name}`;
    input.setAttribute("list", id);
    return [input, make("datalist", { id }, ...offered.map((value) => make("option", { value })))];
  }

  /** A time in the reader's time zone; in the tree it is UTC. */
  #time(item) {
    const time = new Date(item.value);
    const isTime = item.value && !Number.isNaN(time.getTime());
    if (item.value && !isTime) return this.#input(item, "value", "Value", [], "")[0];
    const local = isTime ? new Date(time.getTime() - time.getTimezoneOffset() * 60000).toISOString().slice(0, 19) : "";
    const input = make("input", { type: "datetime-local", className: "input is-small", "aria-label": "Value",
      step: "1", value: local, "data-part": "value" });
    input.addEventListener("input", () => {
      item.value = input.value ? new Date(input.value).toISOString() : "";
      this.changed();
    });
    return input;
  }
}
