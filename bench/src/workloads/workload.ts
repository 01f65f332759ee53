import type { Replicator } from "../replicators/replicator.ts";

/** What one run gives: a number for each of the workload's figures, by its key. */
export type Measured = Readonly<Record<string, number>>;

export interface Figure {
  readonly key: string;
  readonly title: string;
  readonly unit: string;
  readonly better: "less" | "more";
  /** Digits after the point in tables. */
  readonly digits: number;
}

/** A promise about a figure, as a ratio of medians in one run; docs/benchmarks.md shows whether it is kept. */
export interface Bar {
  readonly figure: string;
  /** Of which cases; all where absent. */
  readonly cases?: readonly string[];
  /** How the figure of ours may compare with that of the best release: at most this much of it, or at least. */
  readonly ofBest?: number;
  /** What it may be at most, or at least, whatever the others do. */
  readonly absolute?: number;
}

/** What the machine itself can do at best, measured in turn with the replicators. */
export interface Limit {
  readonly name: string;
  readonly run: (context: RunContext) => Promise<Measured>;
}

export interface RunContext {
  /** Empty, on the disk that is measured; it is removed after the run. */
  readonly folder: string;
  /** Kept until the end of the whole run: for what takes long to make and is not changed by a run. */
  readonly sharedFolder: string;
}

/** One way of running a workload: a rate, a size, a number of databases. */
export interface Case {
  readonly name: string;
  /** Where it lies on the curve of a workload that grows. */
  readonly x?: number;
  /** Whether a quick run has it. */
  readonly isQuick: boolean;
  readonly run: (replicator: Replicator | undefined, context: RunContext) => Promise<Measured>;
  readonly limits?: readonly Limit[];
  /** Those that can do it; all of them where absent. */
  readonly suits?: (replicator: Replicator) => boolean;
}

export interface Workload {
  readonly name: string;
  readonly title: string;
  /** What is done, and how it is measured: for the reader of the table. */
  readonly about: string;
  readonly figures: readonly Figure[];
  readonly bars: readonly Bar[];
  /** Shows how figures grow from case to case; what its cases are measured in. */
  readonly growsWith?: string;
  /** Also run with no replicator at all. */
  readonly hasBaseline: boolean;
  /** Rounds of a full run, if fewer will do; a run takes its time. */
  readonly roundsMax?: number;
  readonly cases: (scale: Scale) => readonly Case[];
  /** Says what it lacks on this machine; undefined where nothing. */
  readonly unavailable?: () => Promise<string | undefined>;
}

/** A quick run shows the same things with less of everything. */
export type Scale = "quick" | "full";
