/**
 * In a bundle or an executable the child process runs the application's own program (child-command.ts), up to here.
 * What is thrown ends the evaluation of its modules, so that nothing of the application runs that comes after. No
 * `await` at the top level: it would forbid `require`, and bundles in bytecode.
 */
import { isChild } from "./child-command.ts";
import { serve } from "./child-server.ts";

/** Not an error: the end of the application's part in the child. */
class TakenOver extends Error {
  constructor() {
    super("this process replicates databases for its parent, and does nothing else");
    this.name = "TakenOver";
  }
}

/** To be called once all modules of this package are there. Does not return in a child process. */
export function takeOverIfChild(): void {
  if (!isChild()) return;
  serve({ isExpected: (error) => error instanceof TakenOver });
  throw new TakenOver();
}
