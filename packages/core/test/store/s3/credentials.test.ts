import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import { tempFolder } from "@litestream/testkit";
import type { S3ReplicaOptions } from "../../../src/replica-options.ts";
import { type Credentials, CredentialsKeeper, credentialsSource } from "../../../src/store/s3/credentials.ts";
import { failureOf } from "../../bytes.ts";

const options: S3ReplicaOptions = { type: "s3", bucket: "backups" };

describe("credentialsSource", () => {
  const aws = { AWS_ACCESS_KEY_ID: "aws", AWS_SECRET_ACCESS_KEY: "a", AWS_SESSION_TOKEN: "token" };
  const litestream = { LITESTREAM_ACCESS_KEY_ID: "litestream", LITESTREAM_SECRET_ACCESS_KEY: "l" };

  test("takes what is given, then AWS's names in the environment, then Litestream's", async () => {
    const given = { ...options, accessKeyId: "given", secretAccessKey: "g" };
    expect(await credentialsSource(given, { ...aws, ...litestream })()).toMatchObject({ accessKeyId: "given" });
    expect(await credentialsSource(options, { ...aws, ...litestream })()).toEqual({
      accessKeyId: "aws",
      secretAccessKey: "a",
      sessionToken: "token",
    });
    expect(await credentialsSource(options, litestream)()).toMatchObject({ accessKeyId: "litestream" });
  });

  test.each([
    [{ ...options, accessKeyId: "x" }, {}, "access-key-id is given without secret-access-key"],
    [options, { AWS_SECRET_ACCESS_KEY: "x" }, "AWS_SECRET_ACCESS_KEY is given without AWS_ACCESS_KEY_ID"],
  ])("refuses one key of two", (given, env, message) => {
    expect(() => credentialsSource(given, env)).toThrow(message);
  });

  test("finds keys in a profile, where none are given", async () => {
    const module = JSON.stringify(join(import.meta.dirname, "../../../src/store/s3/credentials.ts"));
    const script = `
      import { credentialsSource } from ${module};
      console.log((await credentialsSource({ type: "s3", bucket: "b" }, {})()).accessKeyId);`;
    await using folder = await tempFolder();
    await Bun.write(folder.join("credentials"), "[backup]\naws_access_key_id = profiled\naws_secret_access_key = p\n");
    const child = Bun.spawn([process.execPath, "-e", script], {
      env: {
        PATH: process.env["PATH"],
        AWS_PROFILE: "backup",
        AWS_SHARED_CREDENTIALS_FILE: folder.join("credentials"),
        AWS_CONFIG_FILE: folder.join("none"),
        AWS_EC2_METADATA_DISABLED: "true",
      },
      stdio: ["ignore", "pipe", "pipe"],
    });
    expect(await child.stdout.text()).toBe("profiled\n");
  });
});

describe("CredentialsKeeper", () => {
  interface Scene {
    nowMs: number;
    gets: number;
    fails: boolean;
    readonly keeper: CredentialsKeeper;
  }

  function newScene(lastsMs: number): Scene {
    const scene: { nowMs: number; gets: number; fails: boolean } = { nowMs: 0, gets: 0, fails: false };
    const source = async (): Promise<Credentials> => {
      scene.gets++;
      await Promise.resolve();
      if (scene.fails) throw new Error("the instance does not answer");
      return { accessKeyId: String(scene.gets), secretAccessKey: "s", expiration: new Date(scene.nowMs + lastsMs) };
    };
    return Object.assign(scene, { keeper: new CredentialsKeeper(source, () => scene.nowMs) });
  }

  const hourMs = 3_600_000;

  test("keeps keys until shortly before they expire, and has new ones then, once for all who ask", async () => {
    const scene = newScene(hourMs);
    await Promise.all([scene.keeper.get(), scene.keeper.get(), scene.keeper.get()]);
    scene.nowMs = hourMs - 6 * 60_000;
    expect((await scene.keeper.get()).accessKeyId).toBe("1");
    scene.nowMs = hourMs - 4 * 60_000;
    const renewed = await Promise.all([scene.keeper.get(), scene.keeper.get()]);
    expect(renewed.map(({ accessKeyId }) => accessKeyId)).toEqual(["2", "2"]);
    expect(scene.gets).toBe(2);
  });

  test("goes on with keys that still hold while no new ones can be had, and asks again after a while", async () => {
    const scene = newScene(hourMs);
    await scene.keeper.get();
    scene.fails = true;
    scene.nowMs = hourMs - 60_000;
    expect((await scene.keeper.get()).accessKeyId).toBe("1");
    expect((await scene.keeper.get()).accessKeyId).toBe("1");
    expect(scene.gets).toBe(2);
    scene.nowMs = hourMs - 5000;
    expect(await failureOf(() => scene.keeper.get())).toBeInstanceOf(Error);
    scene.fails = false;
    expect((await scene.keeper.get()).accessKeyId).not.toBe("1");
  });

  test("has new ones when the server says that they have expired", async () => {
    const scene = newScene(hourMs);
    await scene.keeper.get();
    scene.keeper.forget();
    expect((await scene.keeper.get()).accessKeyId).toBe("2");
  });
});
