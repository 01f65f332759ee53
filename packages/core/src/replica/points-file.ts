/**
 * Writes the side file of one WAL (layout/restore-points.ts). After the WAL's own fsync, and without one of its own
 * until the WAL is compressed: what a power failure takes of it costs points in time, and no state.
 */
import type { LocalFile } from "../local-file.ts";
import {
  formatPointsHeader,
  formatWalPoint,
  parseWalPoints,
  pointRecordSizeBytes,
  pointsSizeUpTo,
  type SideFileName,
  type WalPoint,
} from "../layout/restore-points.ts";
import { sameSalts, type WalHeader } from "../wal/header.ts";

export interface PointToNote {
  readonly name: SideFileName;
  readonly header: WalHeader;
  readonly point: WalPoint;
  /** Another WAL follows. */
  readonly isSealed: boolean;
}

export class PointsFile {
  /** The WAL that was written last, and how much of its side file is right. */
  #known: { readonly id: string; sizeBytes: number; lastOffset: number; isSealed: boolean } | undefined;

  /** What is there is not known any more: it is read again. */
  forget(): void {
    this.#known = undefined;
  }

  /** @param open opens the file, which is made where it is not there */
  note({ name, header, point, isSealed }: PointToNote, open: () => LocalFile): void {
    const id = `${name.generation}/${name.index}`;
    const before = this.#known?.id === id ? this.#known : undefined;
    if (before !== undefined && before.lastOffset === point.offset && (before.isSealed || !isSealed)) return;
    // Until it is written in full nothing is known.
    this.#known = undefined;
    using file = open();
    const known = before ?? { id, ...readBack(file, name, header, point) };
    if (known.sizeBytes === 0) {
      file.truncate(0);
      const { salts, pageSize } = header;
      const { generation, index } = name;
      file.writeAt(formatPointsHeader({ generation, index, salts, pageSize }), 0);
      known.sizeBytes = pointRecordSizeBytes;
    }
    file.writeAt(formatWalPoint(point, isSealed ? "sealed" : "replicated"), known.sizeBytes);
    this.#known = {
      id,
      sizeBytes: known.sizeBytes + pointRecordSizeBytes,
      lastOffset: point.offset,
      isSealed,
    };
  }
}

/** How much of a file left by an earlier life is right, and of this WAL; what is not is cut off. */
function readBack(file: LocalFile, name: SideFileName, header: WalHeader, point: WalPoint): { sizeBytes: number } {
  const bytes = new Uint8Array(file.sizeBytes);
  const content = bytes.subarray(0, file.readAt(bytes, 0));
  const points = parseWalPoints(name, content, content.subarray(pointRecordSizeBytes));
  if (points === undefined || !sameSalts(points.salts, header.salts)) return { sizeBytes: 0 };
  const sizeBytes = pointsSizeUpTo(content, point.offset);
  if (sizeBytes < content.byteLength) file.truncate(sizeBytes);
  return { sizeBytes };
}
