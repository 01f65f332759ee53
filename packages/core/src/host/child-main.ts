/** The child process, where it has a file of its own to run (child-command.ts). */
import { isChild } from "./child-command.ts";
import { serve } from "./child-server.ts";

if (!isChild()) throw new Error("this is started by the library, not by hand");
serve();
