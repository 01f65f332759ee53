import { afterEach, describe, expect, test } from "bun:test";
import { forgetSecrets, hideSecret, withoutSecrets } from "../src/secrets.ts";

afterEach(forgetSecrets);

describe("withoutSecrets", () => {
  test("hides what was named a secret, as text, as JSON and as URLs write it", () => {
    hideSecret('a"secret/key=');
    expect(withoutSecrets('key a"secret/key= rejected')).toBe("key *** rejected");
    expect(withoutSecrets(JSON.stringify({ key: 'a"secret/key=' }))).toBe('{"key":"***"}');
    expect(withoutSecrets(`?key=${encodeURIComponent('a"secret/key=')}`)).toBe("?key=***");
  });

  test("hides who logs in by a URL, whoever it is", () => {
    expect(withoutSecrets("cannot reach sftp://me:hunter2@host/app")).toBe("cannot reach sftp://***@host/app");
    expect(withoutSecrets("s3://bucket/a@b")).toBe("s3://bucket/a@b");
  });

  test("leaves words alone that are too short to be a secret", () => {
    hideSecret("db");
    expect(withoutSecrets("db")).toBe("db");
  });
});
