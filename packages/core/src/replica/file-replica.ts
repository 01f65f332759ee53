/**
 * A replica in a folder, in the layout of Litestream 0.3.4 (`whole`, docs/formats/whole.md): the newest WAL grows in
 * place, each commit fsynced before its position is reported; superseded ones are compressed.
 */
import type { EmitEvent } from "../events.ts";
import { StoreReplicaReader } from "../layout/reader.ts";
import type { CommonReplicaOptions } from "../replica-options.ts";
import { FileStore } from "../store/file.ts";
import type { WalSource } from "../wal-source.ts";
import { StoreReplica } from "./store-replica.ts";
import { requireWritableFolder } from "./writable-folder.ts";
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

  /** @throws LitestreamError REPLICA_UNAVAILABLE */
  check(): void {
    requireWritableFolder(this.location);
  }
}
