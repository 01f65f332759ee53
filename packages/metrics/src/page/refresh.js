/** Asks again and again. A page that nobody sees asks for nothing, and at once when it is seen again. */
export class Refresh {
  #ask;
  #timer;

  /** @param {() => Promise<void>} ask @param {number} everyMs */
  constructor(ask, everyMs) {
    this.#ask = ask;
    this.#timer = setInterval(this.now, everyMs);
    document.addEventListener("visibilitychange", this.now);
    this.now();
  }

  now = () => {
    if (!document.hidden) void this.#ask();
  };

  close() {
    clearInterval(this.#timer);
    document.removeEventListener("visibilitychange", this.now);
  }
}
