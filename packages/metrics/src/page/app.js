import { follow, setToken } from "./connection.js";
import { judge } from "./format.js";
import { List } from "./list.js";

const overall = byId("overall");
const connection = byId("connection");
const list = new List(byId("list"), byId("count"));

/** @type {Map<string, any>} */
let databases = new Map();
let lagLimitMs = 60_000;
let isLive = false;

byId("filter").addEventListener("input", (event) => list.filter(event.target.value));
byId("only-bad").addEventListener("change", (event) => list.showOnlyBad(event.target.checked));
byId("token-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setToken(byId("token").value);
  byId("token-form").hidden = true;
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
      byId("token-form").hidden = state !== "refused";
      if (state === "refused") {
        say(overall, "bad", "A token is needed");
        byId("token").focus();
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
  byId("tools").hidden = judged.length < 2;
  list.show(judged, lagLimitMs);
}

/** Only what has changed: a screen reader reads it out. */
function say(element, level, text) {
  if (element.textContent !== text) element.textContent = text;
  element.dataset.level = level;
}

function byId(id) {
  const element = document.getElementById(id);
  if (element === null) throw new Error(`the page has no ${id}`);
  return /** @type {any} */ (element);
}
