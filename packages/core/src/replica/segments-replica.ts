import { statSync } from "node:fs";
import type { EmitEvent } from "../events.ts";
import { StoreReplicaReader } from "../layout/reader.ts";
import type { ReplicaOptions } from "../replica-options.ts";
import { openStore, replicaType } from "../store/open-store.ts";
import type { RequestRecord } from "../store/s3/client.ts";
import type { Store } from "../store/store.ts";
import type { WalSource } from "../wal-source.ts";
import { SegmentsWriter } from "./segments-writer.ts";
import { StoreReplica } from "./store-replica.ts";
import { requireWritableFolder } from "./writable-folder.ts";
import { leaseOwner, WriterLease } from "./writer-lease.ts";

/** Litestream's default: commits that come within a second share a request. */
const syncIntervalDefaultMs = 1000;

/** A replica in the layout `segments`, in any store. */
export class SegmentsReplica extends StoreReplica {
  /** @throws LitestreamError CONFIG_INVALID */
  constructor(db: WalSource, options: ReplicaOptions, monitorEnabled: boolean, emit: EmitEvent) {
    const type = replicaType(options);
    const name = options.name ?? type;
    const onRequest = (record: RequestRecord): void => {
      emit({ type: "replica-operation", replica: name, replicaType: type, ...record });
    };
    const store = openStore(options, { onRequest });
    const defaultIntervalMs = type === "file" ? undefined : syncIntervalDefaultMs;
    super(
      db,
      {
        type,
        name,
        reader: new StoreReplicaReader(store, { type, name, leaseStore: store }),
        openWriter: () => {
          // The mode and owner of files are those of a database that may come later.
          const written = type === "file" ? openStore(options, { owner: db.owner }) : store;
          const lease = leaseOf(written, db, options, emit);
          return new SegmentsWriter({ store: written, lease, dbSizeBytes: () => sizeOf(db.path) });
        },
        monitorEnabled,
        options: { ...options, syncIntervalMs: options.syncIntervalMs ?? defaultIntervalMs },
      },
      emit,
    );
  }

  /**
   * A folder has to be there; what keeps a store from being written shows with the first sync, as it may be away.
   * @throws LitestreamError REPLICA_UNAVAILABLE
   */
  check(): void {
    if (this.type === "file") requireWritableFolder(this.location);
  }
}

function leaseOf(store: Store, db: WalSource, options: ReplicaOptions, emit: EmitEvent): WriterLease | undefined {
  const isWanted = options.type !== "s3" || (options.leaseEnabled ?? true);
  if (!isWanted || store.conditional === undefined) return undefined;
  const { location } = store;
  return new WriterLease({
    store: store.conditional,
    owner: leaseOwner(db.path),
    location,
    onUnable: () => {
      emit({
        type: "warning",
        message: `${location} knows no conditional writes: nothing keeps a second machine from writing it`,
        hint: "Make sure that one machine alone does.",
      });
    },
  });
}

/** Of a file, without opening it: undefined where it is gone. */
function sizeOf(path: string): number | undefined {
  return statSync(path, { throwIfNoEntry: false })?.size;
}
