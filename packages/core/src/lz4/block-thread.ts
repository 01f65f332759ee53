/** The other side of `block-threads.ts`: a Worker that decodes or compresses one block after the other. */
import { errorMessage } from "../errors.ts";
import { compressBlock, decodeBlock } from "./block.ts";
import type { BlockReply, BlockRequest } from "./block-protocol.ts";
import { releaseBuffer } from "../release-buffer.ts";
import { napiPrefixSizeBytes } from "./frame-format.ts";

declare const self: Worker;

const noHistory = new Uint8Array(0);

function outputOf({ work, input, sizeBytes, outputBytesMax }: BlockRequest): ArrayBuffer {
  const prefixed = Buffer.from(input, 0, sizeBytes);
  if (work === "decode") return decodeBlock(prefixed, outputBytesMax, noHistory).buffer as ArrayBuffer;
  const compressed = compressBlock(prefixed.subarray(napiPrefixSizeBytes));
  // lz4-napi's own memory cannot be handed to another thread.
  const output = new Uint8Array(compressed).buffer;
  releaseBuffer(compressed);
  return output;
}

self.onmessage = ({ data }: MessageEvent<BlockRequest>): void => {
  const { input } = data;
  let reply: BlockReply;
  try {
    reply = { type: "done", input, output: outputOf(data) };
  } catch (error) {
    reply = { type: "failed", input, message: errorMessage(error) };
  }
  self.postMessage(reply, reply.type === "done" ? [input, reply.output] : [input]);
};

self.postMessage({ type: "ready" } satisfies BlockReply);
