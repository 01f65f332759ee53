# bash completion for litestream. Made by `npm run contrib`.

_litestream() {
  local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} command=${COMP_WORDS[1]}
  local flags="" values="" files=""
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    mapfile -t COMPREPLY < <(compgen -W "replicate restore verify status sync snapshot validate databases generations snapshots wal ltx config list info start stop register unregister version help" -- "$word")
    return
  fi
  # -flag=value comes as three words.
  if [[ $word == "=" ]]; then word=""; elif [[ $before == "=" ]]; then before=${COMP_WORDS[COMP_CWORD - 2]}; fi
  before=${before/#--/-}
  case $command in
    replicate) flags="-config -no-expand-env -exec -once -force-snapshot -enforce-retention -restore-if-db-not-exists -log-level -socket -trace -help" ;;
    restore) flags="-config -no-expand-env -replica -generation -index -timestamp -txid -o -if-db-not-exists -if-replica-exists -dry-run -f -follow-interval -force -integrity-check -parallelism -progress -json -v -help" ;;
    verify) flags="-config -no-expand-env -replica -progress -json -help" ;;
    status) flags="-config -no-expand-env -socket -timeout -json -check -watch -help" ;;
    sync) flags="-config -no-expand-env -socket -timeout -json -wait -help" ;;
    snapshot) flags="-config -no-expand-env -socket -timeout -json -replica -progress -help" ;;
    validate) flags="-config -no-expand-env -socket -timeout -json -replica -progress -help" ;;
    databases) flags="-config -no-expand-env -json -help" ;;
    generations) flags="-config -no-expand-env -replica -json -help" ;;
    snapshots) flags="-config -no-expand-env -replica -json -help" ;;
    wal) flags="-config -no-expand-env -replica -json -generation -help" ;;
    ltx) flags="-config -no-expand-env -replica -json -level -help" ;;
    config) flags="-config -no-expand-env -json -help" ;;
    list) flags="-config -no-expand-env -socket -timeout -json -help" ;;
    info) flags="-config -no-expand-env -socket -timeout -json -help" ;;
    start) flags="-config -no-expand-env -socket -timeout -json -help" ;;
    stop) flags="-config -no-expand-env -socket -timeout -json -help" ;;
    register) flags="-config -no-expand-env -socket -timeout -json -replica -help" ;;
    unregister) flags="-config -no-expand-env -socket -timeout -json -help" ;;
    version) flags="-help" ;;
    help)
      mapfile -t COMPREPLY < <(compgen -W "replicate restore verify status sync snapshot validate databases generations snapshots wal ltx config list info start stop register unregister version help" -- "$word")
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
    restore:-follow-interval) return ;;
    restore:-integrity-check) values="quick full none" ;;
    restore:-parallelism) return ;;
    restore:-progress) values="auto always never" ;;
    verify:-config) files=1 ;;
    verify:-replica) return ;;
    verify:-progress) values="auto always never" ;;
    status:-config) files=1 ;;
    status:-socket) files=1 ;;
    status:-timeout) return ;;
    sync:-config) files=1 ;;
    sync:-socket) files=1 ;;
    sync:-timeout) return ;;
    snapshot:-config) files=1 ;;
    snapshot:-socket) files=1 ;;
    snapshot:-timeout) return ;;
    snapshot:-replica) return ;;
    snapshot:-progress) values="auto always never" ;;
    validate:-config) files=1 ;;
    validate:-socket) files=1 ;;
    validate:-timeout) return ;;
    validate:-replica) return ;;
    validate:-progress) values="auto always never" ;;
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
    list:-config) files=1 ;;
    list:-socket) files=1 ;;
    list:-timeout) return ;;
    info:-config) files=1 ;;
    info:-socket) files=1 ;;
    info:-timeout) return ;;
    start:-config) files=1 ;;
    start:-socket) files=1 ;;
    start:-timeout) return ;;
    stop:-config) files=1 ;;
    stop:-socket) files=1 ;;
    stop:-timeout) return ;;
    register:-config) files=1 ;;
    register:-socket) files=1 ;;
    register:-timeout) return ;;
    register:-replica) return ;;
    unregister:-config) files=1 ;;
    unregister:-socket) files=1 ;;
    unregister:-timeout) return ;;
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
