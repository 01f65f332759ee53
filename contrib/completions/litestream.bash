# bash completion for litestream. Made by `npm run contrib`.

_litestream() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local flags="" values="" files=""
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "replicate restore verify databases generations snapshots wal ltx config version help" -- "$word")
    return
  fi
  # -flag=value comes as three words.
  if [[ $word == "=" ]]; then word=""; elif [[ $before == "=" ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
  before=${before/#--/-}
  case $command in
    replicate) flags="-config -no-expand-env -exec -once -force-snapshot -enforce-retention -restore-if-db-not-exists -log-level -socket -trace -help" ;;
    restore) flags="-config -no-expand-env -replica -generation -index -timestamp -txid -o -if-db-not-exists -if-replica-exists -dry-run -force -integrity-check -parallelism -progress -json -v -help" ;;
    verify) flags="-config -no-expand-env -replica -progress -json -help" ;;
    databases) flags="-config -no-expand-env -json -help" ;;
    generations) flags="-config -no-expand-env -replica -json -help" ;;
    snapshots) flags="-config -no-expand-env -replica -json -help" ;;
    wal) flags="-config -no-expand-env -replica -json -generation -help" ;;
    ltx) flags="-config -no-expand-env -replica -json -level -help" ;;
    config) flags="-config -no-expand-env -json -help" ;;
    version) flags="-help" ;;
    help)
      mapfile -t COMPREPLY < <(compgen -W "replicate restore verify databases generations snapshots wal ltx config version help" -- "$word")
      return
      ;;
    *) return ;;
  esac
  case $command:$before in
    replicate:-config) files=1 ;;
    replicate:-exec) return ;;
    replicate:-log-level) values="trace debug info warn error" ;;
    replicate:-socket) files=1 ;;
    replicate:-trace) files=1 ;;
    restore:-config) files=1 ;;
    restore:-replica) return ;;
    restore:-generation) return ;;
    restore:-index) return ;;
    restore:-timestamp) return ;;
    restore:-txid) return ;;
    restore:-o) files=1 ;;
    restore:-integrity-check) values="quick full none" ;;
    restore:-parallelism) return ;;
    restore:-progress) values="auto always never" ;;
    verify:-config) files=1 ;;
    verify:-replica) return ;;
    verify:-progress) values="auto always never" ;;
    databases:-config) files=1 ;;
    generations:-config) files=1 ;;
    generations:-replica) return ;;
    snapshots:-config) files=1 ;;
    snapshots:-replica) return ;;
    wal:-config) files=1 ;;
    wal:-replica) return ;;
    wal:-generation) return ;;
    ltx:-config) files=1 ;;
    ltx:-replica) return ;;
    ltx:-level) return ;;
    config:-config) files=1 ;;
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
