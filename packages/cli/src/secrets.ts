/**
 * Values that no output may show: access keys, passwords, tokens. Whatever is printed or logged passes through
 * `withoutSecrets`, so that an error of a server which repeats a header gives nothing away.
 */
const forms = new Set<string>();

/** Shorter ones would hide parts of ordinary words. */
const secretLengthMin = 6;

/** From now on, `value` is printed as `***`, also as JSON and URLs write it. */
export function hideSecret(value: string): void {
  if (value.length < secretLengthMin) return;
  for (const form of [value, JSON.stringify(value).slice(1, -1), encodeURIComponent(value)]) forms.add(form);
}

/** For tests, whose broken files call all kinds of words a secret. */
export function forgetSecrets(): void {
  forms.clear();
}

export function withoutSecrets(text: string): string {
  let shown = text;
  for (const form of forms) shown = shown.replaceAll(form, "***");
  // A URL can hold a password that nobody has named.
  return shown.replaceAll(/(\w:\/\/)[^\s/@"']+@/g, "$1***@");
}
