import { Detail } from "./detail.js";
import { formatDuration, levels } from "./format.js";
import { setText } from "./set-text.js";

/** @import { DatabaseDocument } from "../serve/status-document.ts" */
/** @import { Judgement } from "./format.js" */
/** @typedef {Judgement & { database: DatabaseDocument, lagMs: number }} JudgedDatabase */

/** The databases, worst first; each can be opened. */
export class List {
  /** @type {HTMLElement} */
  #list;
  /** @type {HTMLElement} */
  #count;
  /** @type {Map<string, Row>} */
  #rows = new Map();
  #filter = "";
  #onlyBad = false;
  /** @type {readonly JudgedDatabase[]} */
  #judged = [];
  #lagLimitMs = 60_000;
  #hasOpenedFirst = false;

  /** @param {HTMLElement} list @param {HTMLElement} count */
  constructor(list, count) {
    this.#list = list;
    this.#count = count;
  }

  /** @param {string} text */
  filter(text) {
    this.#filter = text.trim().toLowerCase();
    this.#arrange();
  }

  /** @param {boolean} only */
  showOnlyBad(only) {
    this.#onlyBad = only;
    this.#arrange();
  }

  /** @param {readonly JudgedDatabase[]} judged @param {number} lagLimitMs */
  show(judged, lagLimitMs) {
    this.#judged = judged;
    this.#lagLimitMs = lagLimitMs;
    const paths = new Set(judged.map(({ database }) => database.path));
    for (const [path, row] of this.#rows) {
      if (paths.has(path)) continue;
      row.element.remove();
      this.#rows.delete(path);
    }
    this.#arrange();
    // One alone has nothing to be chosen from.
    if (judged.length === 1 && !this.#hasOpenedFirst) {
      this.#hasOpenedFirst = true;
      this.#rows.values().next().value?.open();
    }
  }

  #arrange() {
    const shown = this.#judged
      .filter(({ database, level }) => {
        return database.path.toLowerCase().includes(this.#filter) && !(this.#onlyBad && level === "good");
      })
      .toSorted(
        (a, b) => levels.indexOf(a.level) - levels.indexOf(b.level) || (a.database.path < b.database.path ? -1 : 1),
      );
    const focused = document.activeElement;
    let at = this.#list.firstElementChild;
    for (const judged of shown) {
      const row = this.#row(judged.database.path);
      row.show(judged, this.#lagLimitMs);
      if (row.element === at) at = at.nextElementSibling;
      else this.#list.insertBefore(row.element, at);
    }
    while (at !== null) {
      const next = at.nextElementSibling;
      at.remove();
      at = next;
    }
    // To move an element takes the focus from it.
    if (focused instanceof HTMLElement && focused.isConnected && document.activeElement !== focused) focused.focus();
    const text = shown.length === this.#judged.length ? `${shown.length}` : `${shown.length} of ${this.#judged.length}`;
    setText(this.#count, text);
  }

  /** @param {string} path */
  #row(path) {
    let row = this.#rows.get(path);
    if (row === undefined) {
      row = new Row(path);
      this.#rows.set(path, row);
    }
    return row;
  }
}

let rows = 0;

class Row {
  element = document.createElement("li");
  #button = document.createElement("button");
  #state = document.createElement("span");
  #lag = document.createElement("span");
  #panel = document.createElement("div");
  /** @type {Detail | undefined} */
  #detail;
  #path;
  /** @type {JudgedDatabase | undefined} */
  #judged;
  #lagLimitMs = 60_000;

  /** @param {string} path */
  constructor(path) {
    this.#path = path;
    const id = `detail-${rows++}`;
    const heading = document.createElement("h3");
    const name = document.createElement("span");
    name.className = "path";
    name.textContent = path;
    this.#state.className = "state";
    this.#lag.className = "lag";
    this.#button.type = "button";
    this.#button.setAttribute("aria-expanded", "false");
    this.#button.setAttribute("aria-controls", id);
    this.#button.append(name, this.#state, this.#lag);
    this.#button.addEventListener("click", () => (this.#detail === undefined ? this.open() : this.#close()));
    heading.append(this.#button);
    this.#panel.id = id;
    this.#panel.hidden = true;
    this.element.className = "database";
    this.element.append(heading, this.#panel);
  }

  /** @param {JudgedDatabase} judged @param {number} lagLimitMs */
  show(judged, lagLimitMs) {
    this.#judged = judged;
    this.#lagLimitMs = lagLimitMs;
    this.element.dataset["level"] = judged.level;
    setText(this.#state, judged.text);
    const { lagMs } = judged;
    setText(this.#lag, Number.isFinite(lagMs) ? `lag ${formatDuration(lagMs)}` : "lag unknown");
    this.#detail?.show(judged.database, lagLimitMs);
  }

  open() {
    if (this.#detail !== undefined) return;
    this.#detail = new Detail(this.#path, this.#panel);
    if (this.#judged !== undefined) this.#detail.show(this.#judged.database, this.#lagLimitMs);
    this.#panel.hidden = false;
    this.#button.setAttribute("aria-expanded", "true");
  }

  #close() {
    this.#detail?.close();
    this.#detail = undefined;
    this.#panel.hidden = true;
    this.#button.setAttribute("aria-expanded", "false");
  }
}
