/**
 * A replica in a folder, in the layout of Litestream 0.3.4 (`whole`, docs/formats/whole.md): the newest WAL grows in
 * place, each commit fsynced before its position is reported; superseded ones are compressed.
 */
import { accessSync, constants, statSync } from "node:fs";
import { dirname } from "node:path";
import { LitestreamError, systemErrorCode } from "../errors.ts";
import type { EmitEvent } from "../events.ts";
import { StoreReplicaReader } from "../layout/reader.ts";
import type { CommonReplicaOptions } from "../replica-options.ts";
import { FileStore } from "../store/file.ts";
import type { WalSource } from "../wal-source.ts";
import { StoreReplica } from "./store-replica.ts";
import { WholeFolder } from "./whole-folder.ts";

export interface FileReplicaOptions extends CommonReplicaOptions {
  /** The folder. It is created when its parent exists. */
  readonly path: string;
  /** Off: `start` begins nothing by itself, the caller calls `sync`. On when absent. */
  readonly monitorEnabled?: boolean | undefined;
}

export class FileReplica extends StoreReplica {
  constructor(db: WalSource, options: FileReplicaOptions, emit: EmitEvent) {
    const { path, name = "file", monitorEnabled } = options;
    const type = "file";
    const store = new FileStore(path);
    const reader = new StoreReplicaReader(store, { name, type, leaseStore: store });
    const openWriter = (): WholeFolder => new WholeFolder(new FileStore(path, { owner: db.owner }));
    super(db, { type, name, reader, openWriter, monitorEnabled, options }, emit);
  }

  /**
   * Looks whether the folder is there or can be created, and can be written; changes nothing.
   * @throws LitestreamError REPLICA_UNAVAILABLE
   */
  check(): void {
    const unavailable = (why: string, hint: string, cause?: unknown): LitestreamError =>
      new LitestreamError("REPLICA_UNAVAILABLE", `cannot replicate to ${this.location}: ${why}`, {
        path: this.location,
        hint,
        cause,
      });
    const parent = dirname(this.location);
    const folder = kindOf(this.location) === "nothing" ? parent : this.location;
    const kind = kindOf(folder);
    if (kind === "nothing") {
      throw unavailable(`${parent} does not exist`, "Create that folder, or mount the disk it belongs to.");
    }
    if (kind === "file") throw unavailable("there is a file at or above it", "Name a folder.");
    try {
      accessSync(folder, constants.W_OK | constants.X_OK);
    } catch (error) {
      if (systemErrorCode(error) === "EROFS") {
        throw unavailable("the file system is read-only", "Mount it writable, or name another folder.", error);
      }
      throw unavailable("the folder cannot be written", "Give its user permission, or name another folder.", error);
    }
  }
}

function kindOf(path: string): "folder" | "file" | "nothing" {
  try {
    return statSync(path).isDirectory() ? "folder" : "file";
  } catch (error) {
    // A file stands where a folder above it would have to be.
    if (systemErrorCode(error) === "ENOTDIR") return "file";
    return "nothing";
  }
}
