import type { DatabaseStatus, ReplicaStatus } from "@litestream/core";
import { parsePosition } from "@litestream/core";
import type { Watched } from "@litestream/metrics";

const position = parsePosition("0123456789abcdef/00000002:00001038");

export interface Fields {
  readonly status?: Partial<DatabaseStatus>;
  readonly replica?: Partial<ReplicaStatus>;
}

/** A database that stands as it is told: three hundred real ones would say the same, later. */
export function syntheticDatabase(path: string, fields: () => Fields = () => ({})): Watched {
  return {
    path,
    async status(): Promise<DatabaseStatus> {
      const { status, replica } = fields();
      return {
        path,
        state: "replicating",
        reason: undefined,
        position,
        pageSize: 4096,
        dbSizeBytes: 8_192_000,
        walSizeBytes: 415_200,
        shadowWalSizeBytes: 415_200,
        syncCount: 7,
        replicas: [
          {
            name: "file",
            type: "file",
            location: path.replace("/data/", "/backups/").replace(".db", ""),
            position,
            asOfMs: Date.now(),
            lagMs: 0,
            lagBytes: 0,
            failure: undefined,
            lastSnapshot: undefined,
            lastValidation: undefined,
            ...replica,
          },
        ],
        ...status,
      };
    },
  };
}

/** As a host of many tenants has them: most are well, a few are not. */
export function manyDatabases(count: number): Watched[] {
  return Array.from({ length: count }, (_, n) => {
    const path = `/data/tenants/tenant-${String(n).padStart(3, "0")}.db`;
    return syntheticDatabase(path, () => {
      if (n === 17) return { status: { state: "waiting", reason: `no database at ${path}`, replicas: [] } };
      if (n === 123) {
        const failure = {
          code: "REPLICA_UNAVAILABLE",
          message: "cannot write to /backups/tenants/tenant-123",
          hint: "Check the disk.",
          sinceMs: Date.now() - 70_000,
          count: 12,
        };
        return { replica: { failure, lagMs: 71_000, lagBytes: 1_200_000 } };
      }
      return n === 200 ? { replica: { lagMs: 9000, lagBytes: 300_000 } } : {};
    });
  });
}
