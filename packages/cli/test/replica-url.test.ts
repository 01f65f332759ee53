import { describe, expect, test } from "bun:test";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { parseReplica } from "../src/replica-url.ts";

describe("parseReplica", () => {
  test.each([
    ["/backups/app", "/backups/app"],
    ["/backups//app/", "/backups/app"],
    ["backups", resolve("backups")],
    ["~/backups", join(homedir(), "backups")],
    ["file:///backups/app", "/backups/app"],
    ["file://localhost/backups", "/backups"],
    ["file:///with space/100%25", "/with space/100%25"],
  ])("reads %s as %s", (text, path) => {
    expect(parseReplica(text)).toEqual({ type: "file", path });
  });

  test.each([
    ["", "empty"],
    ["sftp://host/db", "sftp replicas are not here"],
    ["ftp://host/db", 'unknown replica type "ftp"'],
    ["file://backups/app", "names a host"],
    ["file://", "names a host"],
    ["file:/backups", "file:///"],
  ])("refuses %p", (text, part) => {
    expect(() => parseReplica(text)).toThrow(part);
  });
});
