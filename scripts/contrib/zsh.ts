import { briefly, type DescribedCommand, type DescribedFlag } from "./described.ts";

/** Completions for zsh: a file of the folder that $fpath names. */
export function zshCompletions(commands: readonly DescribedCommand[]): string {
  const named = commands.map(({ name, summary }) => `    ${quote(`${name}:${summary}`)}`);
  const cases = commands
    .filter(({ name }) => name !== "help")
    .map(({ name, flags }) => {
      const specs = [...flags.map(specOf), quote("-help[shows what the command takes]"), quote("*:file:_files")];
      return `    ${name})\n      _arguments \\\n${specs.map((spec) => `        ${spec}`).join(" \\\n")}\n      ;;`;
    });
  return `#compdef litestream
# zsh completion for litestream. Made by \`npm run contrib\`.

_litestream() {
  local -a commands
  commands=(
${named.join("\n")}
  )
  if ((CURRENT == 2)); then
    _describe command commands
    return
  fi
  # What follows the command is completed as if the command stood alone.
  local command=$words[2]
  shift words
  ((CURRENT -= 1))
  case $command in
${cases.join("\n")}
    help) _describe command commands ;;
  esac
}

_litestream "$@"
`;
}

function specOf(flag: DescribedFlag): string {
  const text = briefly(flag.description).replaceAll(/[[\]:]/g, " ");
  if (flag.valueHint === undefined) return quote(`-${flag.name}[${text}]`);
  const values = flag.valueHint === "PATH" ? "_files" : flag.values.length > 0 ? `(${flag.values.join(" ")})` : " ";
  return quote(`-${flag.name}[${text}]:${flag.valueHint}:${values}`);
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
