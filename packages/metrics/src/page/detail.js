import { LagChart } from "./chart.js";
import { get } from "./connection.js";
import { formatBytes, formatDuration, formatTime, judgeReplica } from "./format.js";
import { Refresh } from "./refresh.js";
import { setText } from "./set-text.js";
import { TimeLine } from "./time-line.js";

/** @import { DatabaseDetail } from "../serve/detail-documents.ts" */
/** @import { NotedEvent } from "../serve/event-log.ts" */
/** @import { HistorySeries } from "../serve/history.ts" */
/** @import { DatabaseDocument, ReplicaDocument } from "../serve/status-document.ts" */

const refreshMs = 5000;

/** An `error` is a validation that came to no end: it says nothing about the replica. */
const validationWords = { ok: "ok", mismatch: "it differs", error: "not possible" };

/** What is known of one database: its replicas, their last hours, what can be restored, and what happened. */
export class Detail {
  #path;
  #panel;
  #facts = document.createElement("dl");
  #replicas = document.createElement("div");
  #events = document.createElement("ol");
  /** @type {Map<string, Replica>} */
  #shown = new Map();
  #refresh;

  /** @param {string} path @param {HTMLElement} panel */
  constructor(path, panel) {
    this.#path = path;
    this.#panel = panel;
    this.#panel.className = "detail";
    this.#facts.className = "facts";
    this.#replicas.className = "replicas";
    const heading = document.createElement("h4");
    heading.textContent = "What happened";
    this.#events.className = "events";
    this.#panel.replaceChildren(this.#facts, this.#replicas, heading, this.#events);
    this.#refresh = new Refresh(() => this.#ask(), refreshMs);
  }

  /** @param {DatabaseDocument} database @param {number} lagLimitMs */
  show({ status }, lagLimitMs) {
    showFacts(this.#facts, [
      ["Size", formatBytes(status?.dbSizeBytes)],
      ["WAL", formatBytes(status?.walSizeBytes)],
      ["Position", status?.position ?? "–"],
    ]);
    for (const replica of status?.replicas ?? []) {
      let shown = this.#shown.get(replica.name);
      if (shown === undefined) {
        shown = new Replica(this.#path, replica.name);
        this.#shown.set(replica.name, shown);
        this.#replicas.append(shown.element);
        this.#refresh.now();
      }
      shown.show(replica, lagLimitMs);
    }
  }

  close() {
    this.#refresh.close();
    for (const replica of this.#shown.values()) replica.close();
    this.#panel.replaceChildren();
  }

  async #ask() {
    const response = await get(`/database.json?path=${encodeURIComponent(this.#path)}`).catch(() => undefined);
    if (response?.ok !== true) return;
    const { events, replicas } = /** @type {DatabaseDetail} */ (await response.json());
    for (const { name, series } of replicas) this.#shown.get(name)?.showHistory(series);
    showEvents(this.#events, events);
  }
}

class Replica {
  element = document.createElement("section");
  #state = document.createElement("p");
  #facts = document.createElement("dl");
  #failure = document.createElement("p");
  #chart;
  #timeLine;

  /** @param {string} path @param {string} name */
  constructor(path, name) {
    const heading = document.createElement("h4");
    heading.textContent = `Replica ${name}`;
    this.#state.className = "state";
    this.#facts.className = "facts";
    this.#failure.className = "failure";
    this.#failure.hidden = true;
    this.element.className = "replica";
    this.element.setAttribute("aria-label", `Replica ${name}`);
    this.#chart = new LagChart(name);
    this.#timeLine = new TimeLine(path, name);
    this.element.append(heading, this.#state, this.#failure, this.#facts, this.#chart.element, this.#timeLine.element);
  }

  /** @param {ReplicaDocument} replica @param {number} lagLimitMs */
  show(replica, lagLimitMs) {
    const { level, text } = judgeReplica(replica, lagLimitMs);
    this.element.dataset["level"] = level;
    setText(this.#state, text);
    const { failure } = replica;
    this.#failure.hidden = failure === undefined;
    if (failure !== undefined) {
      const hint = failure.hint === undefined ? "" : ` ${failure.hint}`;
      setText(this.#failure, `${failure.message}.${hint} (${failure.count} times)`);
    }
    const validated = replica.lastValidation;
    showFacts(this.#facts, [
      ["Place", replica.location],
      ["Lag", replica.lagMs === undefined ? "unknown" : formatDuration(replica.lagMs)],
      ["Lacks", replica.lagBytes === undefined ? "–" : formatBytes(replica.lagBytes)],
      ["Holds all until", formatTime(replica.asOfMs)],
      ["Position", replica.position ?? "–"],
      ["Last snapshot", formatTime(replica.lastSnapshot?.takenAtMs)],
      [
        "Last validation",
        validated === undefined
          ? "none yet"
          : `${validationWords[validated.status]}, ${formatTime(validated.endedAtMs)}`,
      ],
    ]);
  }

  /** @param {readonly HistorySeries[]} series */
  showHistory(series) {
    this.#chart.show(series);
  }

  close() {
    this.#chart.close();
    this.#timeLine.close();
  }
}

/** @param {HTMLElement} list @param {[string, string][]} facts */
function showFacts(list, facts) {
  if (list.childElementCount !== facts.length) {
    list.replaceChildren(
      ...facts.map(([name]) => {
        const group = document.createElement("div");
        const [term, description] = [document.createElement("dt"), document.createElement("dd")];
        term.textContent = name;
        group.append(term, description);
        return group;
      }),
    );
  }
  for (const [n, [, text]] of facts.entries()) {
    const description = list.children[n]?.lastElementChild;
    if (description) setText(description, text);
  }
}

/** @param {HTMLElement} list @param {readonly NotedEvent[]} events */
function showEvents(list, events) {
  if (events.length === 0) {
    const nothing = document.createElement("li");
    nothing.textContent = "Nothing since this process began.";
    list.replaceChildren(nothing);
    return;
  }
  list.replaceChildren(
    ...events.map(({ atMs, kind, text, count }) => {
      const item = document.createElement("li");
      const time = document.createElement("time");
      time.dateTime = new Date(atMs).toISOString();
      time.textContent = formatTime(atMs);
      item.dataset["kind"] = kind;
      item.append(time, ` ${text}${count > 1 ? ` (${count} times)` : ""}`);
      return item;
    }),
  );
}
