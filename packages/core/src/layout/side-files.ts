import { isLitestreamError } from "../errors.ts";
import type { SideFileInfo, SideFiles } from "../replica-reader.ts";
import type { ReadableStore } from "../store/store.ts";
import { compressedSuffix, generationsKey } from "./generations.ts";
import { parseSideFiles } from "./listing.ts";
import type { SnapshotInfo } from "./objects.ts";
import { readRange } from "./read-range.ts";
import {
  parseSnapshotEnd,
  parseWalPoints,
  pointRecordSizeBytes,
  type SnapshotEnd,
  snapshotEndSizeBytesMax,
  type WalPoints,
} from "./restore-points.ts";

const contentChecksumSizeBytes = 4;

/** Reads our side files out of a store. What cannot be read counts as not there: no restore depends on them. */
export class StoreSideFiles implements SideFiles {
  readonly #store: ReadableStore;
  readonly #signal: AbortSignal | undefined;

  constructor(store: ReadableStore, signal: AbortSignal | undefined) {
    this.#store = store;
    this.#signal = signal;
  }

  async list(): Promise<SideFileInfo[]> {
    const entries = await this.#store.list(`${generationsKey}/`, this.#signal);
    return parseSideFiles(entries);
  }

  async walPoints(info: SideFileInfo, part: "all" | "end"): Promise<WalPoints | undefined> {
    // Records are of one size. One that is cut at the end, and a sealed one behind the last, are among the last three.
    const records = Math.floor((info.sizeBytes - pointRecordSizeBytes) / pointRecordSizeBytes);
    const skipped = part === "all" ? 0 : Math.max(0, records - 2) * pointRecordSizeBytes;
    if (skipped > 0) {
      const header = await this.#read(info.path, 0, pointRecordSizeBytes);
      const end = await this.#read(info.path, pointRecordSizeBytes + skipped, info.sizeBytes);
      const points = parseWalPoints(info, header, end);
      // A damaged record: those before it are right for all that is known.
      if (points === undefined || points.points.length > 0) return points;
    }
    const bytes = await this.#read(info.path, 0, info.sizeBytes);
    return parseWalPoints(info, bytes, bytes.subarray(pointRecordSizeBytes));
  }

  async snapshotEnd(info: SideFileInfo): Promise<SnapshotEnd | undefined> {
    return parseSnapshotEnd(info, await this.#read(info.path, 0, snapshotEndSizeBytesMax));
  }

  async snapshotHash({ path, sizeBytes }: Pick<SnapshotInfo, "path" | "sizeBytes">): Promise<number | undefined> {
    if (!path.endsWith(compressedSuffix) || sizeBytes < contentChecksumSizeBytes) return undefined;
    const bytes = await this.#read(path, sizeBytes - contentChecksumSizeBytes, contentChecksumSizeBytes);
    if (bytes.byteLength < contentChecksumSizeBytes) return undefined;
    return new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  }

  /** Empty where it cannot be read. */
  async #read(key: string, offset: number, sizeBytes: number): Promise<Uint8Array> {
    try {
      return await readRange(this.#store, key, { offset, sizeBytes }, this.#signal);
    } catch (error) {
      if (isLitestreamError(error, "ABORTED")) throw error;
      return new Uint8Array(0);
    }
  }
}
