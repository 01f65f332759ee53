import { closeSync, openSync } from "node:fs";
import { WalChecksummer } from "./checksum.ts";
import { writeAll } from "./file-bytes.ts";
import { walHeaderBytes, writeWalHeader } from "./header.ts";
import { notAWal, readHeader, readWalSummary, type WalSummary } from "./reader.ts";
import { SoundFrames, walFrameHeaderBytes } from "./sound-frames.ts";

export interface RewriteOptions {
  readonly salt1: number;
  readonly salt2: number;
  /** Byte order in which the checksums read their input. Default: as it is. */
  readonly bigEndianChecksum?: boolean;
  /** Default: as it is. */
  readonly checkpointSequence?: number;
}

/**
 * Gives a WAL other salts, in place and in bounded memory, with all checksums that follow from them: SQLite takes its
 * salts at random, and with given ones the same transactions make the same bytes. Rewrites the header and the frames
 * that recovery would accept, committed or not; what lies behind them stays as it is. Returns the WAL as it is then,
 * read anew.
 *
 * For fixtures: if it dies half-way the file is of no use. No connection may have the WAL open, and a `-shm` beside
 * it no longer matches.
 *
 * @throws RangeError if a number does not fit into 32 bits.
 * @throws Error naming path, offset and problem if the file does not begin with a WAL's header, which leaves it as it
 * is; or if a frame behind the end would now be read as one more of this WAL, since it was given the same salts before.
 */
export function rewriteWal(path: string, options: RewriteOptions): WalSummary {
  const frames = rewriteFrames(path, options);
  const summary = readWalSummary(path);
  if (summary.frames === frames) return summary;
  throw new Error(
    `${path} has ${summary.frames} frames under its new salts, not ${frames}: what lies behind offset ` +
      `${walHeaderBytes + frames * (walFrameHeaderBytes + summary.pageSize)} has the same; make the file anew, ` +
      `and give it salts that it never had`,
  );
}

function rewriteFrames(path: string, options: RewriteOptions): number {
  const { salt1, salt2 } = options;
  for (const number of [salt1, salt2, options.checkpointSequence ?? 0]) {
    if (number === number >>> 0) continue;
    throw new RangeError(`a salt or checkpoint sequence is an integer from 0 to ${2 ** 32 - 1}, not ${number}`);
  }
  const fd = openSync(path, "r+");
  try {
    const before = readHeader(fd);
    if ("reason" in before) throw notAWal(path, before);
    const sound = new SoundFrames(fd, before);
    const bigEndianChecksum = options.bigEndianChecksum ?? before.bigEndianChecksum;
    const checkpointSequence = options.checkpointSequence ?? before.checkpointSequence;
    const header = new Uint8Array(walHeaderBytes);
    const { pageSize } = before;
    const start = writeWalHeader(header, { pageSize, bigEndianChecksum, checkpointSequence, salt1, salt2 });
    writeAll(fd, header, 0);

    const frameBytes = walFrameHeaderBytes + pageSize;
    const sum = new WalChecksummer(bigEndianChecksum, start);
    let frames = 0;
    for (let chunk = sound.next(); chunk !== undefined; chunk = sound.next()) {
      const view = new DataView(chunk.bytes.buffer);
      for (let at = 0; at < chunk.bytes.length; at += frameBytes) {
        view.setUint32(at + 8, salt1);
        view.setUint32(at + 12, salt2);
        sum.add(chunk.words, at / 4, at / 4 + 2);
        sum.add(chunk.words, (at + walFrameHeaderBytes) / 4, (at + frameBytes) / 4);
        view.setUint32(at + 16, sum.s0);
        view.setUint32(at + 20, sum.s1);
      }
      writeAll(fd, chunk.bytes, chunk.offset);
      frames += chunk.frames;
    }
    return frames;
  } finally {
    closeSync(fd);
  }
}
