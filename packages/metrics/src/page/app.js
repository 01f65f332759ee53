import { follow, setToken } from "./connection.js";
import { judge } from "./format.js";
import { List } from "./list.js";
import { setText } from "./set-text.js";

/** @import { DatabaseDocument } from "../serve/status-document.ts" */
/** @import { Level } from "./format.js" */

const overall = byId("overall", HTMLElement);
const connection = byId("connection", HTMLElement);
const tools = byId("tools", HTMLElement);
const filter = byId("filter", HTMLInputElement);
const onlyBad = byId("only-bad", HTMLInputElement);
const tokenForm = byId("token-form", HTMLFormElement);
const token = byId("token", HTMLInputElement);
const list = new List(byId("list", HTMLElement), byId("count", HTMLElement));

/** @type {Map<string, DatabaseDocument>} */
let databases = new Map();
let lagLimitMs = 60_000;
let isLive = false;

filter.addEventListener("input", () => list.filter(filter.value));
onlyBad.addEventListener("change", () => list.showOnlyBad(onlyBad.checked));
tokenForm.addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(token.value);
  tokenForm.hidden = true;
  begin();
});
begin();

function begin() {
  void follow({
    onEvent(name, document) {
      lagLimitMs = document.lagLimitMs;
      if (name === "status") databases = new Map();
      for (const database of document.databases) databases.set(database.path, database);
      show();
    },
    onState(state) {
      tokenForm.hidden = state !== "refused";
      if (state === "refused") {
        say(overall, "bad", "A token is needed");
        token.focus();
        return;
      }
      isLive = state === "live";
      connection.textContent = isLive ? "live" : "not connected: what is shown here is old";
      connection.className = isLive ? "connection" : "connection lost";
      show();
    },
  });
}

function show() {
  const judged = [...databases.values()].map((database) => ({ database, ...judge(database, lagLimitMs) }));
  const bad = judged.filter(({ level }) => level === "bad").length;
  const behind = judged.filter(({ level }) => level === "behind").length;
  const all = judged.length === 1 ? "The database is" : `All ${judged.length} databases are`;
  if (!isLive) say(overall, "bad", "Litestream does not answer");
  else if (judged.length === 0) say(overall, "bad", "No database is replicated");
  else if (bad > 0) say(overall, "bad", `${bad} of ${judged.length} ${bad === 1 ? "needs" : "need"} attention`);
  else if (behind > 0) say(overall, "behind", `${behind} of ${judged.length} ${behind === 1 ? "is" : "are"} behind`);
  else say(overall, "good", `${all} backed up`);
  document.title = `${isLive && bad === 0 ? "" : "✗ "}${overall.textContent} – Litestream`;
  document.body.classList.toggle("old", !isLive);
  tools.hidden = judged.length < 2;
  list.show(judged, lagLimitMs);
}

/** @param {HTMLElement} element @param {Level} level @param {string} text */
function say(element, level, text) {
  setText(element, text);
  element.dataset["level"] = level;
}

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 */
function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`the page has no ${type.name} ${id}`);
  return element;
}
