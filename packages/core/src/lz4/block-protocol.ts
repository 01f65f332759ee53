/** Memory is handed over with each message, not copied. */
export interface BlockRequest {
  readonly work: "decode" | "compress";
  /** After 4 bytes of room, at the beginning: what is to be worked on. Comes back with the reply. */
  readonly input: ArrayBuffer;
  /** Of the room and what follows it. */
  readonly sizeBytes: number;
  /** Of what is decoded. */
  readonly outputBytesMax: number;
}

export type BlockReply =
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly input: ArrayBuffer; readonly output: ArrayBuffer }
  | { readonly type: "failed"; readonly input: ArrayBuffer; readonly message: string };
