/**
 * Waits for what another process does without telling.
 * @throws Error naming `what`, once it has taken longer than `deadlineMs`
 */
export async function waitUntil(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  deadlineMs = 30_000,
  pollMs = 20,
): Promise<void> {
  const untilMs = performance.now() + deadlineMs;
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`waited ${deadlineMs} ms in vain for ${what}`);
    await Bun.sleep(pollMs);
  }
}
