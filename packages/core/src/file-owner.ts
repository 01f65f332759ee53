/** Mode and owner of a database file and of its folder: what we write beside it or for it gets the same. */
export interface FileOwner {
  /** Permission bits. */
  readonly fileMode: number;
  readonly directoryMode: number;
  readonly uid: number;
  readonly gid: number;
  readonly directoryUid: number;
  readonly directoryGid: number;
}
