/** Why a generation had to begin. */
export type GenerationReason = (typeof generationReasons)[number];

export const generationReasons = [
  "no generation exists",
  "no shadow wal",
  "shadow wal damaged",
  "wal restarted while not replicating",
  "wal truncated by another process",
  "wal overwritten by another process",
  "database replaced",
  "page size changed",
  "max index exceeded",
  "read lock lost",
  "replica is ahead of the shadow wal",
  "replica differs from the shadow wal",
  "shadow wal lacks what the replica needs",
] as const;
