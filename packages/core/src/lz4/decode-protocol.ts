/** Memory is handed over with each message, not copied. */
export interface DecodeRequest {
  /** A block, after 4 bytes of room, at the beginning. Comes back with the reply. */
  readonly stored: ArrayBuffer;
  /** Of the room and the block. */
  readonly sizeBytes: number;
  readonly sizeBytesMax: number;
}

export type DecodeReply =
  | { readonly type: "ready" }
  | { readonly type: "decoded"; readonly stored: ArrayBuffer; readonly content: ArrayBuffer }
  | { readonly type: "failed"; readonly stored: ArrayBuffer; readonly message: string };
