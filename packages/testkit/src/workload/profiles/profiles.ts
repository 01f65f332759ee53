import type { ProfileName } from "../options.ts";
import { append } from "./append.ts";
import { blobOverflow } from "./blob-overflow.ts";
import { deleteHeavy } from "./delete-heavy.ts";
import { fts } from "./fts.ts";
import { growShrink } from "./grow-shrink.ts";
import { indexHeavy } from "./index-heavy.ts";
import { manyTables } from "./many-tables.ts";
import { mixed } from "./mixed.ts";
import type { Profile } from "./profile.ts";
import { updateHot } from "./update-hot.ts";
import { updateRandom } from "./update-random.ts";
import { vacuumShrink } from "./vacuum-shrink.ts";
import { withoutRowid } from "./without-rowid.ts";

/** What workloads there are, by name. */
export const profiles: Readonly<Record<ProfileName, Profile>> = {
  append,
  "update-hot": updateHot,
  "update-random": updateRandom,
  "delete-heavy": deleteHeavy,
  "blob-overflow": blobOverflow,
  "index-heavy": indexHeavy,
  "without-rowid": withoutRowid,
  "vacuum-shrink": vacuumShrink,
  "grow-shrink": growShrink,
  "many-tables": manyTables,
  fts,
  mixed,
};

/** Whether `name`, from a command line or a database, is one of them. */
export function isProfileName(name: string): name is ProfileName {
  return Object.hasOwn(profiles, name);
}

/** @throws RangeError naming those there are. */
export function profileNamed(name: string): Profile {
  if (isProfileName(name)) return profiles[name];
  throw new RangeError(`no workload profile is called "${name}"; there are ${Object.keys(profiles).join(", ")}`);
}
