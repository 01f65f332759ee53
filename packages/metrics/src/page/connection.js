/** The server's stream of events, by `fetch`, since an EventSource sends no token; it is begun anew when it breaks. */

/** @import { StatusDocument } from "../serve/status-document.ts" */

/** The server sends something each second. */
const silenceMs = 3000;
const retryMs = 1000;
const tokenKey = "litestream-token";

/** @param {string} path @param {RequestInit} options */
export async function get(path, options = {}) {
  const token = sessionStorage.getItem(tokenKey);
  const headers = new Headers(options.headers);
  if (token !== null) headers.set("Authorization", `Bearer ${token}`);
  return fetch(path, { ...options, headers, cache: "no-store" });
}

/** @param {string} token */
export function setToken(token) {
  sessionStorage.setItem(tokenKey, token);
}

/**
 * @typedef {object} Listener
 * @property {(name: string, document: StatusDocument) => void} onEvent `status`: all databases; else those that changed
 * @property {(state: "live" | "lost" | "refused") => void} onState
 */

/** @param {Listener} listener */
export async function follow({ onEvent, onState }) {
  for (;;) {
    const abort = new AbortController();
    let watchdog = setTimeout(() => abort.abort(), silenceMs);
    try {
      const response = await get("/status.json", { headers: { Accept: "text/event-stream" }, signal: abort.signal });
      if (response.status === 401) {
        onState("refused");
        return;
      }
      if (!response.ok || response.body === null) throw new Error(String(response.status));
      let held = "";
      const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
      for (;;) {
        const { value, done } = await reader.read();
        if (done) break;
        clearTimeout(watchdog);
        watchdog = setTimeout(() => abort.abort(), silenceMs);
        held += value;
        const messages = held.split("\n\n");
        held = messages.pop() ?? "";
        for (const message of messages) {
          const [, name = "", data = ""] = /^event: (.*)\ndata: (.*)$/.exec(message) ?? [];
          if (name !== "") onEvent(name, /** @type {StatusDocument} */ (JSON.parse(data)));
        }
        onState("live");
      }
    } catch {
      // Told below, whatever it was.
    } finally {
      clearTimeout(watchdog);
    }
    onState("lost");
    await new Promise((resolve) => setTimeout(resolve, retryMs));
  }
}
