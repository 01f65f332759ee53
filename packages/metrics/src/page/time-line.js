import { get } from "./connection.js";
import { formatBytes, formatDuration, formatTime } from "./format.js";
import { Refresh } from "./refresh.js";
import { setText } from "./set-text.js";

/** @import { FailureDocument, RestorableDocument, RestorePoint } from "../serve/detail-documents.ts" */

const refreshMs = 15_000;
const askAfterMs = 250;
const keySteps = new Map([
  ["ArrowLeft", -1],
  ["ArrowDown", -1],
  ["ArrowRight", 1],
  ["ArrowUp", 1],
  ["PageDown", -10],
  ["PageUp", 10],
]);
let timeLines = 0;

/** Which times can be restored; one of them can be picked, and gives the command that restores it. */
export class TimeLine {
  element = document.createElement("section");
  #path;
  #name;
  #gist = document.createElement("p");
  #bar = document.createElement("div");
  #range = document.createElement("input");
  #time = document.createElement("input");
  #picker = document.createElement("div");
  #answer = document.createElement("div");
  #fromMs = 0;
  #toMs = 0;
  /** @type {number | undefined} */
  #pickedMs;
  #refresh;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #asking;
  #questions = 0;

  /** @param {string} path @param {string} name */
  constructor(path, name) {
    this.#path = path;
    this.#name = name;
    const id = `moment-${timeLines++}`;
    this.element.className = "time-line";
    const heading = document.createElement("h5");
    heading.textContent = "What can be restored";
    this.#gist.className = "gist";
    this.#bar.className = "bar";
    this.#bar.setAttribute("aria-hidden", "true");
    this.#range.type = "range";
    this.#range.step = "1";
    this.#range.setAttribute("aria-label", "Moment to restore");
    this.#range.addEventListener("input", () => this.#pick(Number(this.#range.value)));
    this.#range.addEventListener("keydown", (event) => this.#onKey(event));
    const track = document.createElement("div");
    track.className = "track";
    track.append(this.#bar, this.#range);
    const label = document.createElement("label");
    label.htmlFor = id;
    label.textContent = "Moment";
    this.#time.id = id;
    this.#time.type = "datetime-local";
    this.#time.step = "0.001";
    this.#time.addEventListener("change", () => {
      const ms = new Date(this.#time.value).getTime();
      if (!Number.isNaN(ms)) this.#pick(ms);
    });
    const latest = document.createElement("button");
    latest.type = "button";
    latest.textContent = "Newest";
    latest.addEventListener("click", () => this.#pick(this.#toMs));
    this.#picker.className = "picker";
    this.#picker.append(label, this.#time, latest);
    this.#answer.className = "answer";
    this.#answer.setAttribute("role", "status");
    this.element.append(heading, this.#gist, track, this.#picker, this.#answer);
    this.#isKnown(false);
    this.#refresh = new Refresh(() => this.#list(), refreshMs);
  }

  close() {
    this.#refresh.close();
    clearTimeout(this.#asking);
  }

  /** @param {boolean} known */
  #isKnown(known) {
    this.#range.hidden = !known;
    this.#picker.hidden = !known;
    this.#bar.hidden = !known;
  }

  #query() {
    return `path=${encodeURIComponent(this.#path)}&replica=${encodeURIComponent(this.#name)}`;
  }

  async #list() {
    const response = await get(`/restorable.json?${this.#query()}`).catch(() => undefined);
    if (response === undefined) return;
    const found = /** @type {RestorableDocument | FailureDocument} */ (
      await response.json().catch(() => ({ error: String(response.status) }))
    );
    if (!response.ok || "error" in found) {
      this.#isKnown(false);
      const why = "error" in found ? found.error : response.status;
      setText(this.#gist, response.status === 404 ? "It is not known here." : `It cannot be listed: ${why}`);
      return;
    }
    this.#show(found);
  }

  /** @param {RestorableDocument} found */
  #show({ atMs, generations }) {
    const windows = generations.flatMap(({ generation, windows: found }) =>
      found.map((window) => ({ ...window, generation })),
    );
    const snapshots = generations.flatMap(({ snapshots: found }) => found);
    this.#isKnown(windows.length > 0);
    if (windows.length === 0) {
      setText(this.#gist, "Nothing yet.");
      return;
    }
    this.#fromMs = Math.min(...windows.map(({ fromMs }) => fromMs));
    this.#toMs = Math.max(...windows.map(({ toMs }) => toMs));
    const span = Math.max(1, this.#toMs - this.#fromMs);
    const gaps = windows.length - 1;
    const size = generations.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    setText(
      this.#gist,
      `Every moment from ${formatTime(this.#fromMs)} to ${formatTime(this.#toMs)} (${formatDuration(span)}` +
        `${gaps === 0 ? "" : `, but for ${gaps} ${gaps === 1 ? "gap" : "gaps"}`}): ` +
        `${plural(generations.length, "generation")}, ${plural(snapshots.length, "snapshot")}, ${formatBytes(size)}. ` +
        `Looked at ${formatTime(atMs)}.`,
    );
    this.#range.min = String(this.#fromMs);
    this.#range.max = String(this.#toMs);
    if (this.#pickedMs === undefined) this.#range.value = String(this.#toMs);
    const share = (/** @type {number} */ ms) => `${((ms - this.#fromMs) / span) * 100}%`;
    this.#bar.replaceChildren(
      ...windows.map(({ fromMs, toMs, generation }, n) => {
        const part = document.createElement("span");
        part.className = n % 2 === 0 ? "window" : "window other";
        part.title = `generation ${generation}`;
        part.style.left = share(fromMs);
        part.style.width = `${Math.max(0.3, ((toMs - fromMs) / span) * 100)}%`;
        return part;
      }),
      ...snapshots.map(({ completeAtMs }) => {
        const tick = document.createElement("span");
        tick.className = "snapshot";
        tick.title = `snapshot of ${formatTime(completeAtMs)}`;
        tick.style.left = share(completeAtMs);
        return tick;
      }),
    );
  }

  /** A millisecond is too small a step for a key. @param {KeyboardEvent} event */
  #onKey(event) {
    const span = this.#toMs - this.#fromMs;
    const step = keySteps.get(event.key);
    if (step === undefined) return;
    event.preventDefault();
    const ms = Number(this.#range.value) + Math.trunc(step * Math.max(1, span / 200));
    this.#pick(Math.min(this.#toMs, Math.max(this.#fromMs, ms)));
  }

  /** @param {number} ms */
  #pick(ms) {
    this.#pickedMs = ms;
    this.#range.value = String(ms);
    this.#range.setAttribute("aria-valuetext", formatTime(ms));
    const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
    this.#time.value = local.toISOString().slice(0, -1);
    clearTimeout(this.#asking);
    this.#asking = setTimeout(() => void this.#ask(ms), askAfterMs);
  }

  /** @param {number} ms */
  async #ask(ms) {
    const question = ++this.#questions;
    const response = await get(`/restore.json?${this.#query()}&at=${ms}`).catch(() => undefined);
    const found = /** @type {RestorePoint | FailureDocument | undefined} */ (
      await response?.json().catch(() => undefined)
    );
    if (question !== this.#questions) return;
    if (found === undefined) {
      this.#say("failure", "Litestream does not answer.");
      return;
    }
    if ("error" in found) {
      this.#say("failure", found.hint === undefined ? found.error : `${found.error}. ${found.hint}`);
      return;
    }
    const { command, state, storedBytes } = found;
    const code = document.createElement("code");
    code.textContent = command;
    code.tabIndex = 0;
    const pre = document.createElement("pre");
    pre.append(code);
    const copy = document.createElement("button");
    copy.type = "button";
    copy.textContent = "Copy";
    copy.addEventListener("click", () => void copyText(command, code, copy));
    const what = document.createElement("p");
    what.textContent = `${new Date(ms).toISOString()}: ${state}; ${formatBytes(storedBytes)} to read.`;
    this.#answer.replaceChildren(pre, copy, what);
  }

  /** @param {string} className @param {string} text */
  #say(className, text) {
    const paragraph = document.createElement("p");
    paragraph.className = className;
    paragraph.textContent = text;
    this.#answer.replaceChildren(paragraph);
  }
}

/**
 * Where the clipboard is not to be had (a page without https), the command is selected, to be copied by hand.
 * @param {string} text
 * @param {HTMLElement} code
 * @param {HTMLButtonElement} button
 */
async function copyText(text, code, button) {
  try {
    await navigator.clipboard.writeText(text);
    button.textContent = "Copied";
  } catch {
    const range = document.createRange();
    range.selectNodeContents(code);
    const selection = getSelection();
    selection?.removeAllRanges();
    selection?.addRange(range);
    button.textContent = "Selected";
  }
}

/** @param {number} count @param {string} noun */
function plural(count, noun) {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}
