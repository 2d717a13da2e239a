// Converts the API's filter tree to conditions that people can edit, and back. Does not touch the page.
//
// Group := { kind: "group", operator: "and" | "or", items: [Group | Condition | Json] }; the outermost is a group
// Condition := { kind: "condition", field, key, operator, value, path }
// Json := { kind: "json", tree, path }      other trees, kept unchanged
// `path` is the one of the API's errors; only items that were read from a tree have it.

const TEXT = { equals: "is", "not-equals": "is not", contains: "contains", "not-contains": "does not contain",
  given: "is given", missing: "is missing" };
const NUMBER = { gte: "≥", gt: ">", lte: "≤", lt: "<", equals: "=", "not-equals": "≠", given: "is given",
  missing: "is missing" };
const TIME = { gte: "from", lt: "before" };
const ANY = { missing: "none at all", given: "at least one" };
const THUMB = { up: "is up", down: "is down", given: "is given", missing: "is missing" };

const TABLE = "request_response_rmt";

/** Strings that `equals` takes for something else and `in` for themselves. */
const SPECIAL = ["null", "__empty__"];

/** The fields; of `keyed` ones the client chooses the key. */
export const FIELDS = {
  scores: { title: "Score", operators: NUMBER, keyed: "name", kind: "score" },
  scores_column: { title: "Scores", operators: ANY, kind: "any" },
  "helicone-score-feedback": { title: "Feedback", operators: THUMB, kind: "thumb" },
  properties: { title: "Property", operators: TEXT, keyed: "key", kind: "text" },
  model: { title: "Model", operators: TEXT, kind: "text" },
  provider: { title: "Provider", operators: TEXT, kind: "text" },
  prompt_id: { title: "Prompt", operators: TEXT, kind: "text" },
  prompt_version: { title: "Prompt version", operators: TEXT, kind: "text" },
  user_id: { title: "User", operators: TEXT, kind: "text" },
  request_created_at: { title: "Time", operators: TIME, kind: "time" },
  status: { title: "Status", operators: NUMBER, kind: "number" },
  latency: { title: "Latency in ms", operators: NUMBER, kind: "number" },
  total_tokens: { title: "Tokens", operators: NUMBER, kind: "number" },
  cost: { title: "Cost in $", operators: NUMBER, kind: "number" },
  request_id: { title: "Request id", operators: TEXT, kind: "text" },
  request_body: { title: "Request text", operators: TEXT, kind: "text" },
  response_body: { title: "Response text", operators: TEXT, kind: "text" },
};

/** Whether an operator takes no value. */
export const isValueless = (operator) => ["given", "missing", "up", "down"].includes(operator);

export const newCondition = (field = "scores") =>
  ({ kind: "condition", field, key: "", operator: Object.keys(FIELDS[field].operators)[0], value: "" });

export const newGroup = (operator, items = []) => ({ kind: "group", operator, items });

const isObject = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

/** The conditions of which the name was not given: the API takes an empty one, and finds what was not meant. */
export const findNameless = (group) => group.items.flatMap((item) => item.kind === "group" ? findNameless(item)
  : item.kind === "condition" && FIELDS[item.field].keyed && !item.key.trim() ? [item] : []);

/** Read a tree of the API. */
export function readTree(tree) {
  const item = read(tree, "filter", 0);
  return item.kind === "group" ? item : newGroup("and", [item]);
}

function read(tree, path, depth) {
  if (tree === "all" || (isObject(tree) && Object.keys(tree).length === 0)) return newGroup("and");
  const json = { kind: "json", tree, path };
  if (!isObject(tree)) return json;
  if ("left" in tree || "right" in tree || "operator" in tree) {
    if (!isBranch(tree)) return json;
    const items = ["left", "right"].flatMap((side) => gathered(tree[side], tree.operator, `${path}.${side}`, depth));
    return newGroup(tree.operator, items);
  }
  const conditions = readLeaf(tree, path);
  if (conditions === null) return json;
  return conditions.length === 1 ? conditions[0] : newGroup("and", conditions);
}

const isBranch = (tree) =>
  Object.keys(tree).length === 3 && "left" in tree && "right" in tree && ["and", "or"].includes(tree.operator);

/** The items of one side of a branch. One of the same operator is merged into the group. */
function gathered(tree, operator, path, depth) {
  const item = read(tree, path, depth + 1);
  if (item.kind !== "group") return [item];
  if (item.items.length > 0 && item.operator === operator) return item.items;
  // Groups nest two levels deep at most.
  const isDeep = depth > 0 || item.items.length === 0 || item.items.some((inner) => inner.kind === "group");
  return [isDeep ? { kind: "json", tree, path } : item];
}

function readLeaf(leaf, path) {
  const conditions = [];
  for (const [table, columns] of Object.entries(leaf)) {
    if (!isObject(columns)) return null;
    for (const [name, content] of table === TABLE ? Object.entries(columns) : [[table, columns]]) {
      const field = table !== "values" && Object.hasOwn(FIELDS, name) ? FIELDS[name] : null;
      const at = table === TABLE ? `${path}.${TABLE}.${name}` : `${path}.${table}`;
      if (!field || (table !== TABLE && table !== "properties") || !isObject(content)) return null;
      for (const [key, operators] of field.keyed ? Object.entries(content) : [["", content]]) {
        if (!isObject(operators) || Object.keys(operators).length === 0) return null;
        for (const [operator, value] of Object.entries(operators)) {
          const condition = readCondition(name, operator, value);
          if (condition === null) return null;
          const place = field.keyed ? `${at}.${shortened(key)}.${operator}` : `${at}.${operator}`;
          conditions.push({ kind: "condition", field: name, key, ...condition, path: place });
        }
      }
    }
  }
  return conditions.length ? conditions : null;
}

function readCondition(name, operator, value) {
  const { operators, kind } = FIELDS[name];
  if (kind === "any") {
    const known = { equals: "missing", "not-equals": "given" };
    return value === "{}" && Object.hasOwn(known, operator) ? { operator: known[operator], value: "" } : null;
  }
  if (operator === "in" && kind === "text" && Array.isArray(value) && value.length === 1 && !SPECIAL.includes(value[0])) {
    return readCondition(name, "equals", value[0]);
  }
  if (operator === "exists" && "given" in operators) {
    return typeof value === "boolean" ? { operator: value ? "given" : "missing", value: "" } : null;
  }
  if (kind === "thumb") {
    return operator === "equals" && typeof value === "boolean" ? { operator: value ? "up" : "down", value: "" } : null;
  }
  if (!Object.hasOwn(operators, operator)) return null;
  if (typeof value === "string") return { operator, value };
  const isPlain = typeof value === "number" ? isExact(value) : typeof value === "boolean" && kind === "score";
  return isPlain && kind !== "text" ? { operator, value: String(value) } : null;
}

const isExact = (number) => !Number.isInteger(number) || Number.isSafeInteger(number);

/** A key as the API's errors name it (`shortened` of domain/score.py). */
function shortened(text) {
  const characters = [...text];
  const cut = characters.length <= 80 ? text : characters.slice(0, 80).join("") + "…";
  return cut.replace(/[\x00-\x1f\x7f-\x9f]/g, (control) =>
    `\\u${control.charCodeAt(0).toString(16).padStart(4, "0")}`);
}

/** Make the tree of the API. */
export const makeTree = (group) => branch(group.items, group.operator);

function make(item) {
  if (item.kind === "group") return branch(item.items, item.operator);
  if (item.kind === "json") return item.tree;
  const { field, key, operator } = item;
  const content = {};
  // The scores of a request as an object: empty, or not.
  if (FIELDS[field].kind === "any") content[operator === "missing" ? "equals" : "not-equals"] = "{}";
  else if (operator === "given" || operator === "missing") content.exists = operator === "given";
  else if (operator === "up" || operator === "down") content.equals = operator === "up";
  else content[operator] = typed(FIELDS[field].kind, item.value);
  // A key may be __proto__, which only a definition makes an ordinary one.
  return { [TABLE]: { [field]: FIELDS[field].keyed ? Object.fromEntries([[key, content]]) : content } };
}

/** Split in halves, so that 500 conditions are 9 levels deep and not 500. */
function branch(items, operator) {
  if (items.length === 0) return "all";
  if (items.length === 1) return make(items[0]);
  const half = items.length >> 1;
  return { left: branch(items.slice(0, half), operator), operator, right: branch(items.slice(half), operator) };
}

/** Convert to a number if that is exact; anything else is sent as it was typed, and the API reports errors. */
function typed(kind, value) {
  if (kind !== "number" && kind !== "score") return value;
  const text = value.trim();
  const isNumber = kind === "score" ? /^-?\d+$/.test(text) : /^-?\d+(\.\d+)?$/.test(text);
  return isNumber && isExact(Number(text)) ? Number(text) : kind === "score" ? text.toLowerCase() : text;
}
