const codes = ["ENOSPC", "EDQUOT"] as const;
/** An error may be its own cause, in a circle. */
const causesMax = 8;

/** True when a full disk, or a quota that is used up, lies at the bottom of an error. */
export function hitFullDisk(error: unknown): boolean {
  let cause = error;
  for (let depth = 0; depth < causesMax && cause instanceof Error; depth++) {
    // A code does not survive every process boundary; the message, which names it, does.
    const { message } = cause;
    if (codes.some((code) => message.includes(code))) return true;
    if ("code" in cause && codes.some((code) => code === (cause as { code?: unknown }).code)) return true;
    cause = cause.cause;
  }
  return false;
}
