/**
 * When LTX files were made. Their headers say it; what a store lists is when it got the object. That is the same in the
 * folders that Litestream writes, later in an object store, and that of the copy where a replica was copied without
 * its times. A header costs a read each, so only those are read whose time decides something.
 */
import { mapConcurrently } from "../concurrently.ts";
import type { LtxFiles } from "../replica-reader.ts";
import type { LtxInfo } from "./ltx.ts";

/** Headers that are read at a time: each may be a request to a server. */
const readsMax = 16;

/** Later than the time in its header, by at most this, an object store gets a file that Litestream writes to it. */
const uploadMsMax = 60_000;

/** The same files, with the time of its header for each that is `wanted`, unless its header cannot be read. */
export function withHeaderTimes(
  ltx: LtxFiles,
  files: readonly LtxInfo[],
  isWanted: (info: LtxInfo) => boolean,
): Promise<LtxInfo[]> {
  return mapConcurrently(files, readsMax, async (info) => {
    if (!isWanted(info)) return info;
    const headerTime = await ltx.headerTime(info);
    if (headerTime === undefined || isTooLate(info, headerTime)) return info;
    return { ...info, createdAt: headerTime, isDated: true };
  });
}

/** True where the store still has a file's own time, so that the times of its other objects are to be believed. */
export function hasKeptTime({ path, createdAt, modifiedAt, isDated }: LtxInfo): boolean {
  if (!isDated) return false;
  const laterMs = modifiedAt.getTime() - createdAt.getTime();
  return isInFolder(path) ? laterMs === 0 : Math.abs(laterMs) <= uploadMsMax;
}

/**
 * In a folder a header with a later time than its file is damaged, and would let the file be left out unread: the
 * file's time counts. One with an earlier time is read, and its checksum tells.
 */
function isTooLate({ path, modifiedAt }: LtxInfo, headerTime: Date): boolean {
  return isInFolder(path) && headerTime > modifiedAt;
}

function isInFolder(path: string): boolean {
  return path.startsWith("ltx/");
}
