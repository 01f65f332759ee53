/**
 * Moments at which a test looks at the engine, makes it fail, or ends its process. Without a handler a moment costs one
 * comparison. For tests only: not exported by the package.
 */

/** A step of the capture protocol (db/protocol.ts) is about to be done, or a poll. */
export interface StepPoint {
  readonly kind: "step";
  readonly step: string;
}

/** A file, or a folder, is about to be used. Bytes belong to the caller: copy what is to be kept. */
export type FilePoint =
  | { readonly kind: "file"; readonly operation: "open" | "create" | "read" | "list"; readonly path: string }
  | {
      readonly kind: "file";
      readonly operation: "write";
      readonly path: string;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: "file"; readonly operation: "truncate"; readonly path: string; readonly sizeBytes: number }
  | { readonly kind: "file"; readonly operation: "sync" | "sync folder"; readonly path: string }
  | { readonly kind: "file"; readonly operation: "make folder" | "remove"; readonly path: string }
  | { readonly kind: "file"; readonly operation: "rename"; readonly path: string; readonly to: string };

export type FaultPoint = StepPoint | FilePoint;

/** Called before what it names; what it throws is thrown in its place. */
export type FaultHandler = (point: FaultPoint) => void;

let handler: FaultHandler | undefined;

export function faultPoint(point: () => FaultPoint): void {
  handler?.(point());
}

/** Sets the handler until the result is disposed of. */
export function handleFaultPoints(newHandler: FaultHandler): Disposable {
  handler = newHandler;
  return {
    [Symbol.dispose]: () => {
      handler = undefined;
    },
  };
}
