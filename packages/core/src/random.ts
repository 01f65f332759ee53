/** Random bytes as hexadecimal digits. Without node:crypto, which takes 4 ms to load. */
export function randomHex(sizeBytes: number): string {
  return Buffer.from(crypto.getRandomValues(new Uint8Array(sizeBytes))).toString("hex");
}
