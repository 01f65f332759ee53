/** The text of the error that `promise` rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => "nothing failed",
    (error: unknown) => String(error),
  );
}
