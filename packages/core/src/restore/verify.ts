/** Reads everything that a restore of any state could need, and says what can be restored, and what is wrong. */
import { throwIfAborted } from "../abort.ts";
import { dbHeaderSizeBytes, parseDbHeader } from "../db-header.ts";
import { errorMessage, isLitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import { parseSnapshotKey } from "../layout/generations.ts";
import { ltxFileSizeBytesMin, type LtxInfo, ltxStates, parseLtxKey, planLtx } from "../layout/ltx.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import { isNotedHash, parseSideFileKey, type SnapshotEnd, type WalPoints } from "../layout/restore-points.ts";
import { parseReaderLeaseKey } from "../layout/reader-lease.ts";
import { parseSegmentKey } from "../layout/segments.ts";
import { generationsOf } from "../layout/stats.ts";
import { parseWalKey } from "../layout/whole.ts";
import { LtxDecoder } from "../ltx/decoder.ts";
import { formatTxid, type Txid } from "../ltx/txid.ts";
import { formatWalIndex, type WalIndex, walIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import type { WalHeader } from "../wal/header.ts";
import { scanWal, type WalScan } from "../wal/scan.ts";
import type { RecordedEnd } from "./plan.ts";
import { createdNs, timestampOfMs } from "./timestamp.ts";
import { isHoleDamage, walEndProblem, type WalExpectations, walOrderProblem } from "./wal-end.ts";

export interface VerifyOptions {
  readonly replica: ReplicaReader;
  readonly signal?: AbortSignal | undefined;
  /** Bytes read so far, as stored, and how many there are to read. */
  readonly onProgress?: ((readBytes: number, totalBytes: number) => void) | undefined;
}

/** What was found in a replica. */
export interface ReplicaReport {
  readonly location: string;
  readonly generations: readonly GenerationReport[];
  /** Undefined where the replica has no LTX files. */
  readonly ltx: LtxReport | undefined;
  /** Keys of what is no part of any layout, or of no use. */
  readonly extra: readonly string[];
  /** Nothing is damaged, and nothing missing. */
  readonly isSound: boolean;
}

export interface GenerationReport {
  readonly generation: Generation;
  /** Every state in them can be restored, from the first snapshot's on. */
  readonly ranges: readonly RestorableRange[];
  readonly damaged: readonly ObjectProblem[];
  readonly missing: readonly ObjectProblem[];
  /** Bytes at the end of the newest WAL that make no whole transaction: an append that was interrupted. */
  readonly droppedBytes: number;
}

export interface RestorableRange {
  readonly firstIndex: WalIndex;
  readonly lastIndex: WalIndex;
  /** Nanoseconds since 1970. */
  readonly fromNs: bigint;
  readonly toNs: bigint;
}

export interface ObjectProblem {
  /** Below the replica's root. */
  readonly path: string;
  readonly why: string;
}

export interface LtxReport {
  readonly firstTxid: Txid | undefined;
  readonly lastTxid: Txid | undefined;
  readonly from: Date | undefined;
  readonly to: Date | undefined;
  readonly damaged: readonly ObjectProblem[];
  readonly missing: readonly ObjectProblem[];
}

/**
 * Verifies all of a replica without restoring it: LZ4 and LTX checksums, the checksum chain of each WAL, the continuity
 * of segments and indexes, and what our side files say. What the formats cannot show is in docs/restore.md.
 * @throws LitestreamError NO_BACKUP is none: an empty replica has an empty report. REPLICA_UNAVAILABLE, ABORTED
 */
export async function verifyReplica(options: VerifyOptions): Promise<ReplicaReport> {
  const { replica, signal, onProgress } = options;
  const sideFiles = (await replica.sideFiles?.list()) ?? [];
  const snapshots = await replica.snapshots();
  const wals = await replica.wals();
  const ltx = (await replica.ltx?.list()) ?? [];
  const objects = (await replica.objects?.()) ?? [];
  const totalBytes = [...snapshots, ...wals, ...ltx].reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  let readBytes = 0;
  const stop = replica.observeReads?.((bytes) => {
    readBytes = Math.min(readBytes + bytes, totalBytes);
    onProgress?.(readBytes, totalBytes);
  });
  try {
    const ends: SnapshotEnd[] = [];
    const points: WalPoints[] = [];
    const extra = objects.filter(({ key }) => !isKnown(key)).map(({ key }) => key);
    for (const info of sideFiles) {
      const found =
        info.kind === "snapshot"
          ? await replica.sideFiles?.snapshotEnd(info)
          : await replica.sideFiles?.walPoints(info, "end");
      if (found === undefined) extra.push(info.path);
      else if ("end" in found) ends.push(found);
      else points.push(found);
    }
    const generations: GenerationReport[] = [];
    const claimed = points.filter((info) => info.points.length > 0).map(({ generation }) => generation);
    for (const generation of new Set([...generationsOf(snapshots, wals), ...claimed])) {
      const of = <T extends { readonly generation: Generation }>(infos: readonly T[]): T[] =>
        infos.filter((info) => info.generation === generation);
      const verifier = new GenerationVerifier(
        replica,
        generation,
        of(snapshots),
        of(wals),
        of(ends),
        of(points),
        signal,
      );
      generations.push(await verifier.verify());
      extra.push(...verifier.unused);
    }
    const ltxReport = ltx.length === 0 ? undefined : await verifyLtx(replica, ltx, signal);
    const isSound = [...generations, ...(ltxReport === undefined ? [] : [ltxReport])].every(
      ({ damaged, missing }) => damaged.length === 0 && missing.length === 0,
    );
    return { location: replica.location, generations, ltx: ltxReport, extra, isSound };
  } finally {
    stop?.();
  }
}

class GenerationVerifier {
  readonly #replica: ReplicaReader;
  readonly #generation: Generation;
  readonly #snapshots: readonly SnapshotInfo[];
  readonly #wals: ReadonlyMap<WalIndex, readonly WalInfo[]>;
  readonly #ends: readonly SnapshotEnd[];
  readonly #points: ReadonlyMap<WalIndex, WalPoints>;
  readonly #signal: AbortSignal | undefined;
  readonly #damaged: ObjectProblem[] = [];
  readonly #missing: ObjectProblem[] = [];
  readonly unused: string[] = [];
  #pageSize: number | undefined;
  #droppedBytes = 0;

  constructor(
    replica: ReplicaReader,
    generation: Generation,
    snapshots: readonly SnapshotInfo[],
    wals: readonly WalInfo[],
    ends: readonly SnapshotEnd[],
    points: readonly WalPoints[],
    signal: AbortSignal | undefined,
  ) {
    this.#replica = replica;
    this.#generation = generation;
    this.#snapshots = snapshots;
    this.#wals = Map.groupBy(wals, ({ index }) => index);
    this.#ends = ends;
    this.#points = new Map(points.map((info) => [info.index, info]));
    this.#signal = signal;
  }

  async verify(): Promise<GenerationReport> {
    const soundSnapshots = new Set<number>();
    for (const info of this.#snapshots) {
      if (await this.#isSoundSnapshot(info)) soundSnapshots.add(info.index);
    }
    const soundWals = await this.#soundWals();
    if (this.#snapshots.length === 0) {
      const path = `generations/${this.#generation}/snapshots`;
      this.#missing.push({ path, why: "it has WAL, but no snapshot to apply it to" });
    }
    return {
      generation: this.#generation,
      ranges: this.#ranges(soundSnapshots, soundWals),
      damaged: this.#damaged,
      missing: this.#missing,
      droppedBytes: this.#droppedBytes,
    };
  }

  async #isSoundSnapshot(info: SnapshotInfo): Promise<boolean> {
    const header = new Uint8Array(dbHeaderSizeBytes);
    let sizeBytes = 0;
    try {
      const noted = this.#ends.find(({ index }) => index === info.index);
      const stored = noted === undefined ? undefined : await this.#replica.sideFiles?.snapshotHash(info);
      for await (const chunk of this.#replica.snapshotReader(this.#generation, info.index)) {
        throwIfAborted(this.#signal, "verifying");
        if (sizeBytes < header.byteLength) header.set(chunk.subarray(0, header.byteLength - sizeBytes), sizeBytes);
        sizeBytes += chunk.byteLength;
      }
      const { pageSize } = parseDbHeader(header.subarray(0, Math.min(sizeBytes, header.byteLength)), info.path);
      this.#pageSize ??= pageSize;
      if (sizeBytes % pageSize !== 0)
        return this.#isDamaged(info.path, `${sizeBytes} bytes are no whole number of pages`);
      if (noted !== undefined && stored !== undefined && !isNotedHash(noted, stored)) {
        return this.#isDamaged(info.path, "its side file says another checksum");
      }
      return true;
    } catch (error) {
      return this.#explain(error, info.path);
    }
  }

  /** Indexes of the WALs that are right, each also as what follows the one before it. */
  async #soundWals(): Promise<Set<number>> {
    const sound = new Set<number>();
    const first = this.#snapshots.reduce((lowest, { index }) => Math.min(lowest, index), Infinity);
    const claimed = [...this.#points.values()].filter(({ points }) => points.length > 0).map(({ index }) => index);
    const ended = this.#ends.filter(({ end }) => end.offset > 0).map(({ end }) => end.index);
    const held = [...this.#wals.keys()];
    const last = [...held, ...claimed, ...ended].reduce<number>((highest, index) => Math.max(highest, index), -1);
    for (const [index, forms] of this.#wals) {
      if (index < first) this.unused.push(...forms.map(({ path }) => path));
    }
    let before: WalHeader | undefined;
    for (let number = Number.isFinite(first) ? first : last + 1; number <= last; number++) {
      throwIfAborted(this.#signal, "verifying");
      const index = walIndex(number);
      const forms = this.#wals.get(index) ?? [];
      if (forms.length === 0) {
        const path = `generations/${this.#generation}/wal/${formatWalIndex(index)}`;
        const why =
          number === last
            ? "our side files tell of it"
            : `between WAL ${formatWalIndex(walIndex(first))} and the newest`;
        this.#missing.push({ path, why });
        before = undefined;
        continue;
      }
      const header = await this.#isSoundWal(index, forms, number === last, before);
      if (header !== undefined) sound.add(index);
      before = header ?? undefined;
    }
    return sound;
  }

  /** @returns its header if it is right; null where it has none, as the newest WAL may */
  async #isSoundWal(
    index: WalIndex,
    forms: readonly WalInfo[],
    isLast: boolean,
    before: WalHeader | undefined,
  ): Promise<WalHeader | null | undefined> {
    const path = forms[0]?.path ?? "";
    let scan: WalScan;
    try {
      scan = await scanWal(this.#replica.walReader(this.#generation, index), path);
    } catch (error) {
      this.#explain(error, path);
      return undefined;
    }
    const why = this.#walProblem(index, scan, forms, isLast, before);
    if (why !== undefined) {
      this.#isDamaged(path, why);
      return undefined;
    }
    if (isLast) this.#droppedBytes = scan.sizeBytes - scan.commit.offset;
    return scan.header ?? null;
  }

  #walProblem(
    index: WalIndex,
    scan: WalScan,
    forms: readonly WalInfo[],
    isLast: boolean,
    before: WalHeader | undefined,
  ): string | undefined {
    const isGrowing = isLast && forms.every(({ compressed }) => !compressed);
    const expectations = this.#expectations(index, isGrowing);
    const { stop, endOffset, commit, header, sizeBytes } = scan;
    if (header === undefined && !isGrowing) return `it has ${sizeBytes} bytes, less than a header`;
    if ((stop === "salt" || stop === "checksum") && isHoleDamage(expectations, index, scan)) {
      return `at byte ${endOffset}: a frame ${stop === "salt" ? "has other salts than its WAL" : "fails its checksum"}`;
    }
    if (!isLast && (stop !== "end" || commit.offset !== endOffset)) {
      return `at byte ${commit.offset}: its last transaction has no end, and another WAL follows`;
    }
    if (header !== undefined && this.#pageSize !== undefined && header.pageSize !== this.#pageSize) {
      return `its pages have ${header.pageSize} bytes, those of the snapshot ${this.#pageSize}`;
    }
    const problem =
      walEndProblem(expectations, index, scan) ??
      (before === undefined || header === undefined ? undefined : walOrderProblem(before, index, header));
    return problem === undefined ? undefined : `at byte ${problem.offset}: ${problem.why}`;
  }

  #expectations(index: WalIndex, lastWalIsGrowing: boolean): WalExpectations {
    const recordedEnds = new Map<WalIndex, RecordedEnd>();
    const points = this.#points.get(index);
    const point = points?.sealed ?? points?.points.at(-1);
    if (points !== undefined && point !== undefined) {
      const { offset, checksum } = point;
      recordedEnds.set(index, { salts: points.salts, offset, checksum, isSealed: points.sealed !== undefined });
    }
    const snapshotEnd = this.#ends.find(({ end }) => end.index === index);
    return { recordedEnds, snapshotEnd, lastWalIsGrowing };
  }

  #ranges(soundSnapshots: ReadonlySet<number>, soundWals: ReadonlySet<number>): RestorableRange[] {
    const ranges: RestorableRange[] = [];
    for (const snapshot of this.#snapshots.toSorted((a, b) => a.index - b.index)) {
      if (!soundSnapshots.has(snapshot.index)) continue;
      const end = this.#ends.find(({ index }) => index === snapshot.index);
      const needsWal = end !== undefined && end.end.offset > 0;
      if (needsWal && !soundWals.has(end.end.index)) continue;
      let last: number = snapshot.index;
      while (soundWals.has(last) && soundWals.has(last + 1)) last++;
      const previous = ranges.at(-1);
      if (previous !== undefined && snapshot.index <= previous.lastIndex && soundWals.has(snapshot.index)) continue;
      const fromNs = end === undefined ? createdNs(snapshot) : timestampOfMs(end.timeMs);
      const toNs = soundWals.has(last) ? this.#walNs(walIndex(last)) : fromNs;
      ranges.push({
        firstIndex: snapshot.index,
        lastIndex: walIndex(last),
        fromNs,
        toNs: toNs > fromNs ? toNs : fromNs,
      });
    }
    return ranges;
  }

  #walNs(index: WalIndex): bigint {
    const points = this.#points.get(index);
    const point = points?.points.at(-1);
    if (
      point !== undefined &&
      (points?.sealed !== undefined || this.#wals.get(index)?.[0]?.sizeBytes === point.offset)
    ) {
      return timestampOfMs(point.timeMs);
    }
    return (this.#wals.get(index) ?? []).map(createdNs).reduce((max, time) => (time > max ? time : max), 0n);
  }

  #isDamaged(path: string, why: string): false {
    this.#damaged.push({ path, why });
    return false;
  }

  #explain(error: unknown, path: string): false {
    const codes = ["BACKUP_DAMAGED", "FORMAT_INVALID", "OBJECT_MISSING", "DATABASE_INVALID"] as const;
    if (!isLitestreamError(error, ...codes)) throw error;
    return this.#isDamaged(
      pathIn(error.path, this.#replica.location) ?? path,
      withoutPath(error, this.#replica.location),
    );
  }
}

async function verifyLtx(
  replica: ReplicaReader,
  files: readonly LtxInfo[],
  signal: AbortSignal | undefined,
): Promise<LtxReport> {
  const damaged: ObjectProblem[] = [];
  for (const info of files) {
    throwIfAborted(signal, "verifying");
    try {
      await readLtx(replica, info, signal);
    } catch (error) {
      if (!isLitestreamError(error, "BACKUP_DAMAGED", "FORMAT_INVALID", "OBJECT_MISSING")) throw error;
      damaged.push({ path: info.path, why: withoutPath(error, replica.location) });
    }
  }
  const exclude = new Set(damaged.map(({ path }) => path));
  const states = ltxStates(files, exclude);
  const found = planLtx(files, {}, exclude);
  const missing: ObjectProblem[] = [];
  if (found.kind === "obstacle") {
    const range = found.missing;
    const why =
      range === undefined
        ? "transactions"
        : `transactions ${formatTxid(range.minTxid)} to ${formatTxid(range.maxTxid)}`;
    missing.push({ path: "ltx", why: `${why} are in no file that can be used` });
  }
  const [first, last] = [states[0], states.at(-1)];
  return {
    firstTxid: first?.txid,
    lastTxid: last?.txid,
    from: first?.createdAt,
    to: last?.createdAt,
    damaged,
    missing,
  };
}

async function readLtx(replica: ReplicaReader, info: LtxInfo, signal: AbortSignal | undefined): Promise<void> {
  if (replica.ltx === undefined || info.sizeBytes < ltxFileSizeBytesMin) {
    const path = `${replica.location}/${info.path}`;
    await using short = await LtxDecoder.open(replica.ltx?.read(info) ?? empty(), { path, expected: info });
    while ((await short.nextPage()) !== undefined);
    return;
  }
  await using decoder = await LtxDecoder.open(replica.ltx.read(info), {
    path: `${replica.location}/${info.path}`,
    expected: info,
  });
  while ((await decoder.nextPage()) !== undefined) throwIfAborted(signal, "verifying");
}

async function* empty(): AsyncGenerator<Uint8Array, void, undefined> {}

function isKnown(key: string): boolean {
  const parsers = [parseSnapshotKey, parseWalKey, parseSegmentKey, parseSideFileKey, parseReaderLeaseKey, parseLtxKey];
  return parsers.some((parse) => parse(key) !== undefined);
}

function pathIn(path: string | undefined, location: string): string | undefined {
  return path?.startsWith(`${location}/`) === true ? path.slice(location.length + 1) : undefined;
}

/** The message, from which the path was taken out that stands beside it. */
function withoutPath(error: unknown, location: string): string {
  const message = errorMessage(error);
  const at = message.indexOf(location);
  if (at < 0) return message;
  const end = message.indexOf(": ", at);
  return end < 0 ? message : message.slice(end + 2);
}
