/** How long the child process goes on, at most, after the application that it worked for has ended. */
export const lastSyncMs = 10_000;

/** How long the next one waits for it, at most. */
export const lockWaitMs: number = lastSyncMs + 2000;
