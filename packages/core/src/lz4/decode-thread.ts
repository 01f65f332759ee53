/** The other side of `decode-threads.ts`: a Worker that decodes one block after the other. */
import { errorMessage } from "../errors.ts";
import { decodeBlock } from "./block.ts";
import type { DecodeReply, DecodeRequest } from "./decode-protocol.ts";

declare const self: Worker;

const noHistory = new Uint8Array(0);

self.onmessage = ({ data }: MessageEvent<DecodeRequest>): void => {
  const { stored, sizeBytes, sizeBytesMax } = data;
  let reply: DecodeReply;
  try {
    const content = decodeBlock(Buffer.from(stored, 0, sizeBytes), sizeBytesMax, noHistory);
    reply = { type: "decoded", stored, content: content.buffer as ArrayBuffer };
  } catch (error) {
    reply = { type: "failed", stored, message: errorMessage(error) };
  }
  self.postMessage(reply, reply.type === "decoded" ? [stored, reply.content] : [stored]);
};

self.postMessage({ type: "ready" } satisfies DecodeReply);
