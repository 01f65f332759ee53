/** What has been left to be written must not be written while something else is measured. */
export async function flushDisk(): Promise<void> {
  await Bun.spawn(["sync"], { stdio: ["ignore", "ignore", "ignore"] }).exited;
}
