import type { DescribedCommand } from "./described.ts";

/** Completions for bash, without its package of helpers. */
export function bashCompletions(commands: readonly DescribedCommand[]): string {
  const names = commands.map(({ name }) => name).join(" ");
  const flagsOf = commands
    .filter(({ name }) => name !== "help")
    .map(({ name, flags }) => {
      const words = [...flags.map((flag) => `-${flag.name}`), "-help"];
      return `    ${name}) flags="${words.join(" ")}" ;;`;
    });
  const values = commands.flatMap(({ name, flags }) =>
    flags.flatMap((flag) => {
      if (flag.valueHint === undefined) return [];
      const where = `    ${name}:-${flag.name})`;
      if (flag.values.length > 0) return [`${where} values="${flag.values.join(" ")}" ;;`];
      return [flag.valueHint === "PATH" ? `${where} files=1 ;;` : `${where} return ;;`];
    }),
  );
  return `# bash completion for litestream. Made by \`npm run contrib\`.

_litestream() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD - 1]} command=\${COMP_WORDS[1]}
  local flags="" values="" files=""
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "${names}" -- "$word")
    return
  fi
  # -flag=value comes as three words.
  if [[ $word == "=" ]]; then word=""; elif [[ $before == "=" ]]; then before=\${COMP_WORDS[COMP_CWORD - 2]}; fi
  before=\${before/#--/-}
  case $command in
${flagsOf.join("\n")}
    help)
      mapfile -t COMPREPLY < <(compgen -W "${names}" -- "$word")
      return
      ;;
    *) return ;;
  esac
  case $command:$before in
${values.join("\n")}
    *)
      if [[ $word == -* ]]; then values=$flags; else files=1; fi
      ;;
  esac
  if [[ -n $values ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
  elif [[ -n $files ]]; then
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$word")
  fi
}

complete -F _litestream litestream
`;
}
