import { throwIfAborted } from "../abort.ts";
import { dbHeaderSizeBytes, parseDbHeader } from "../db-header.ts";
import { isLitestreamError } from "../errors.ts";
import type { Generation } from "../generation.ts";
import type { SnapshotInfo, WalInfo } from "../layout/objects.ts";
import { isNotedHash, type SnapshotEnd, type WalPoints } from "../layout/restore-points.ts";
import { formatWalIndex, type WalIndex, walIndex } from "../position.ts";
import type { ReplicaReader } from "../replica-reader.ts";
import type { WalHeader } from "../wal/header.ts";
import { scanWal, type WalScan } from "../wal/scan.ts";
import type { RecordedEnd } from "./restore-plan.ts";
import { createdNs, timestampOfMs } from "./timestamp.ts";
import {
  type GenerationReport,
  type ObjectProblem,
  pathIn,
  type RestorableRange,
  withoutPath,
} from "./verify-report.ts";
import { isHoleDamage, walEndProblem, type WalExpectations, walOrderProblem } from "./wal-end.ts";

/** Verifies one generation: its snapshots, its WALs, and what our side files say of them. */
export class GenerationVerifier {
  readonly #replica: ReplicaReader;
  readonly #generation: Generation;
  readonly #snapshots: readonly SnapshotInfo[];
  readonly #wals: ReadonlyMap<WalIndex, readonly WalInfo[]>;
  readonly #ends: readonly SnapshotEnd[];
  readonly #points: ReadonlyMap<WalIndex, WalPoints>;
  /** WALs that were replicated, by the names of our side files. */
  readonly #claims: readonly WalIndex[];
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
    claims: readonly WalIndex[],
    signal: AbortSignal | undefined,
  ) {
    this.#replica = replica;
    this.#generation = generation;
    this.#snapshots = snapshots;
    this.#wals = Map.groupBy(wals, ({ index }) => index);
    this.#ends = ends;
    this.#points = new Map(points.map((info) => [info.index, info]));
    this.#claims = claims;
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
    const last = [...held, ...claimed, ...this.#claims, ...ended].reduce<number>(
      (highest, index) => Math.max(highest, index),
      -1,
    );
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
