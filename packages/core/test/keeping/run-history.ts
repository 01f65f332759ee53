import { expect } from "bun:test";
import { SeededRandom, tempFolder } from "@litestream/testkit";
import { isLitestreamError } from "../../src/errors.ts";
import type { Generation } from "../../src/generation.ts";
import { comparePositions, formatPosition, type Position, walIndex } from "../../src/position.ts";
import type { Event, History } from "./history.ts";
import { World } from "./world.ts";

/** What a replica said that it had, and the pages of the database then. */
interface Reported {
  readonly position: Position;
  readonly pages: string;
}

export interface Outcome {
  /** States that the listing promised, each of which was restored and compared. */
  readonly promised: number;
  /** States that were reported, and are gone or lie in a gap: each failed loudly. */
  readonly gone: number;
  readonly deaths: number;
  readonly gaps: number;
  readonly deletedSnapshots: number;
}

/** Of all states that were reported, so many are restored after each event that may have taken some away. */
const statesPerLook = 2;

/** @throws where a state that the listing promises cannot be restored, or any state is another one than it was */
export async function runHistory({ seed, retentionMinutes, events }: History): Promise<Outcome> {
  await using folder = await tempFolder();
  using world = new World(folder, seed, retentionMinutes * 60_000);
  const random = new SeededRandom(seed);
  const reported: Reported[][] = [[], []];
  const outcome = { promised: 0, gone: 0, deaths: 0, gaps: 0, deletedSnapshots: 0 };

  const hasDied = [false, false];
  const write = async (replica: number, work: () => Promise<unknown>): Promise<boolean> => {
    const result = await world.write(work);
    hasDied[replica] = result === undefined;
    if (result === undefined) {
      outcome.deaths++;
      return false;
    }
    const position = world.replica(replica).lastPos();
    const captured = world.db.captured()?.position;
    if (position === undefined || captured === undefined) throw new Error("nothing was replicated");
    expect(formatPosition(position)).toBe(formatPosition(captured));
    const states = reported[replica] ?? [];
    if (formatPosition(states.at(-1)?.position ?? position) !== formatPosition(position) || states.length === 0) {
      states.push({ position, pages: world.pages() });
    }
    return true;
  };

  const happen = async (event: Event): Promise<number | undefined> => {
    switch (event.do) {
      case "commit":
        world.commit(event.transactions);
        return undefined;
      case "sync":
        await write(event.replica, () => world.replica(event.replica).sync());
        return event.replica;
      case "snapshot":
        await write(event.replica, () => world.replica(event.replica).snapshot());
        return event.replica;
      case "validate":
        await write(event.replica, async () => {
          const { status, message } = await world.replica(event.replica).validate();
          expect(message).toBeUndefined();
          expect(status).toBe("ok");
        });
        return event.replica;
      case "retention": {
        const { graceMs, replica } = event;
        const options = { isDryRun: false, graceMs };
        const isDone = await write(replica, () => world.replica(replica).enforceRetention(options));
        // What is to go has gone.
        if (isDone) {
          const again = await world.replica(replica).enforceRetention({ ...options, isDryRun: true });
          expect(again).toMatchObject({ deletedSnapshots: 0, deletedWals: 0, isSnapshotDue: false });
        }
        return replica;
      }
      case "release":
        world.release(event.sizeBytesMax);
        return undefined;
      case "time":
        world.pass(event.minutes);
        return undefined;
      case "restart":
        world.restart(event.generation);
        return undefined;
      case "die in next":
        world.dieInNext(event.afterOperations);
        return undefined;
    }
  };

  for (const [number, event] of events.entries()) {
    try {
      const replica = await happen(event);
      if (replica === undefined) continue;
      const states = reported[replica] ?? [];
      const looked = [
        ...states.slice(-1),
        ...Array.from({ length: statesPerLook - 1 }, () => random.below(Math.max(1, states.length))).flatMap(
          (at) => states[at] ?? [],
        ),
      ];
      const promises = await promisesOf(world, replica);
      for (const state of looked) {
        if (await isThere(world, replica, state, promises(state.position))) outcome.promised++;
        else outcome.gone++;
      }
      await requireLatest(world, replica, states, hasDied[replica] ?? false);
    } catch (error) {
      const told = events.slice(0, number + 1).map((past) => JSON.stringify(past));
      throw new Error(`after ${told.length} events: ${String(error)}\n${told.join("\n")}`, { cause: error });
    }
  }
  for (const event of world.events) {
    if (event.type === "retention" && !event.isDryRun) outcome.deletedSnapshots += event.deletedSnapshots;
    if (event.type === "warning" && event.message.includes("behind a new snapshot")) outcome.gaps++;
  }
  return outcome;
}

/** What the listing promises: a snapshot that is complete at a state, and every WAL from its index to the state's. */
async function promisesOf(world: World, replica: number): Promise<(position: Position) => boolean> {
  const reader = world.reader(replica);
  const [snapshots, wals, sides] = [await reader.snapshots(), await reader.wals(), await reader.sideFiles?.list()];
  const held = new Set(wals.map(({ generation, index }) => `${generation}/${index}`));
  const usable: { readonly generation: Generation; readonly index: number; readonly end: Position }[] = [];
  for (const { generation, index } of snapshots) {
    const side = sides?.find(
      (info) => info.kind === "snapshot" && info.generation === generation && info.index === index,
    );
    const end = side === undefined ? undefined : await reader.sideFiles?.snapshotEnd(side);
    if (end === undefined) throw new Error(`a snapshot without its end: ${generation}/${index}`);
    usable.push({ generation, index, end: end.end });
  }
  return (position) =>
    usable.some(({ generation, index, end }) => {
      if (generation !== position.generation || comparePositions(end, position) > 0) return false;
      const last = position.offset === 0 ? position.index - 1 : position.index;
      for (let at = index; at <= last; at++) if (!held.has(`${generation}/${walIndex(at)}`)) return false;
      return true;
    });
}

/** @returns false for a state that is neither promised nor there, which is said */
async function isThere(world: World, replica: number, state: Reported, isPromised: boolean): Promise<boolean> {
  let pages: string;
  try {
    pages = await world.restoredPages(replica, { position: state.position });
  } catch (error) {
    if (isPromised || !isLitestreamError(error, "NO_SUCH_POINT", "BACKUP_INCOMPLETE", "NO_BACKUP")) throw error;
    return false;
  }
  expect(`${formatPosition(state.position)} ${pages}`).toBe(`${formatPosition(state.position)} ${state.pages}`);
  return true;
}

/**
 * Whatever happened, the latest state is the one that was reported last, or one that was on its way. Where the
 * replicator died while a snapshot had to come after its WAL, as it must in `segments` and behind a gap, there is none
 * until the next one has mended that: which is said, and never is another state given instead.
 */
async function requireLatest(
  world: World,
  replica: number,
  states: readonly Reported[],
  hasDied: boolean,
): Promise<void> {
  const last = states.at(-1);
  if (last === undefined) return;
  let pages: string;
  try {
    pages = await world.restoredPages(replica, {});
  } catch (error) {
    if (!hasDied || !isLitestreamError(error, "BACKUP_INCOMPLETE")) throw error;
    if (replica === 0) expect(error.message).toContain("is missing, between");
    return;
  }
  const captured = [...world.captured];
  const since = captured.slice(captured.findIndex(([position]) => position === formatPosition(last.position)));
  expect(since.map(([, of]) => of)).toContain(pages);
}
